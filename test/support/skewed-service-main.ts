// The service on a machine whose wall clock is wrong by ten minutes, and jumps from behind to ahead and back each time that somebody looks.
// Timers and performance.now() are the kernel's monotonic clock, which nobody sets.
const Real = Date
const skewMs = 600_000
let isAhead = false

function now (): number {
  isAhead = !isAhead
  return Real.now() + (isAhead ? skewMs : -skewMs)
}

globalThis.Date = new Proxy(Real, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
  get: (target, name) => name === 'now' ? now : Reflect.get(target, name)
})

await import('./service-main.ts')

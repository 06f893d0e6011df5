import { Gauge, type Registry } from 'prom-client'
import { asProblem } from '#core/errors.ts'
import type { Log } from '#jobs/context.ts'

/** Called with the reason when a dependency is taken for away, and with null when it answers again. */
export type Changed = (why: unknown) => void

/** A dependency that comes and goes is told of so often at the most; one that then stays away is told of after that time. */
const quietMs = 10_000

/** Says of each dependency, once, that it is away and that it is back: a line of the log, and a gauge from the start. */
export function createOutages (metrics: Registry, log: Log): (dependency: string) => Changed {
  const up = new Gauge({
    name: 'ephemera_dependency_up',
    help: '0 while calls to a dependency are refused, because it did not answer several in a row',
    labelNames: ['dependency'],
    registers: [metrics]
  })
  return dependency => {
    let lostAt = 0
    let toldAt = -Infinity
    let isTold = false
    let later: NodeJS.Timeout | undefined
    up.set({ dependency }, 1)

    function tell (why: unknown): void {
      isTold = true
      toldAt = performance.now()
      log.warn({ dependency, reason: asProblem(why).message }, 'A dependency is away: what needs it is refused until it answers again')
    }

    return why => {
      clearTimeout(later)
      up.set({ dependency }, why === null ? 1 : 0)
      const now = performance.now()
      if (why === null) {
        if (isTold) log.info({ dependency, seconds: Math.round((now - lostAt) / 1000) }, 'A dependency answers again')
        isTold = false
        return
      }
      lostAt = now
      const waitMs = toldAt + quietMs - now
      if (waitMs > 0) later = setTimeout(tell, waitMs, why).unref()
      else tell(why)
    }
  }
}

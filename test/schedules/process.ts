import { setTimeout as delay } from 'node:timers/promises'
import { Problem } from '#core/errors.ts'
import type { Channel } from '#core/ports/channel.ts'
import type { Claim, Database } from '#core/ports/storage.ts'
import type { Context } from '#jobs/context.ts'
import { createNodeTurns } from '#jobs/node-turns.ts'
import { createRandom } from './random.ts'
import type { Fate } from './schedule.ts'

export interface ProcessOptions {
  name: string
  seed: number
  fate: Fate | null
  troubles: number
  /** A line of the schedule's trace. */
  trace (line: string): void
}

/** Few enough to be waited for. */
const placesOnNode = 2

const unavailable = () => new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot reach the database: it does not answer')
/** By so much a process that stood still finds the clock further on: no lease lasts as long. */
const stillMs = 3_600_000
/** They answer at once, and touch nothing outside. */
const immediate = new Set(['watch', 'hellos'])

/** A process as the others see it: every call that leaves it passes here, and is late, fails, or is the last one. */
export function createProcess ({ name, seed, fate, troubles, trace }: ProcessOptions) {
  const random = createRandom(seed, name)
  const unanswered = new Set<(error: Error) => void>()
  const healed = Promise.withResolvers<void>()
  const died = Promise.withResolvers<void>()
  let state: 'alive' | 'ill' | 'dead' | 'buried' = 'alive'
  let steps = 0
  let isKilled = false
  let lostMs = 0
  /** What only time would give back, since no living process knows of it: it is made to run out. */
  const owed = { holders: new Set<string>(), claims: [] as Claim[] }
  const holders = new Set<string>()

  const isGone = () => state === 'dead' || state === 'buried'

  const never = () => new Promise<never>((_resolve, reject) => {
    if (state === 'buried') reject(new Error(`${name} is gone`))
    else unanswered.add(reject)
  })

  function note (what: string, args: unknown[], result: unknown): void {
    if (/^leases\.(?:acquire|takePlace)$/.test(what) && result) holders.add(String(args[1]))
    if (what === 'jobs.claim') for (const { pod, attempt } of result as Claim[]) trace(`${name} claims ${pod}, attempt ${attempt}`)
  }

  /** It will never hear the answer. */
  function owe (what: string, args: unknown[], result?: unknown): void {
    if (what.startsWith('leases.')) owed.holders.add(String(args[1]))
    if (what === 'jobs.claim') owed.claims.push(...result as Claim[] ?? [])
  }

  /** True where it stands still after this call, not before it. */
  function strike (what: string, isDatabase: boolean): boolean {
    if (!fate || state !== 'alive' || steps < fate.step || (fate.kind !== 'crash' && !isDatabase)) return false
    const { kind, carriedOut } = fate
    state = kind === 'crash' ? 'dead' : 'ill'
    const isAfter = kind === 'freeze' && carriedOut
    trace(`${name}: ${kind} ${isAfter ? 'after' : 'at'} ${what}`)
    if (kind !== 'crash') return isAfter
    isKilled = true
    died.resolve()
    return false
  }

  async function call (what: string, args: unknown[], work: () => Promise<unknown>): Promise<unknown> {
    const isDatabase = !/^(?:reader|injector|channels?|bucket|wake)\./.test(what)
    if (isGone()) return await never()
    if (!fate?.call || fate.call === what) steps++
    const stillAfter = strike(what, isDatabase)
    if (isGone()) {
      if (fate!.carriedOut) await work().then(result => note(what, args, result), () => {})
      return await never()
    }
    await delay(random.integer(0, 2))
    if (state === 'ill' && isDatabase && !stillAfter) {
      if (fate!.kind === 'freeze') await healed.promise
      else {
        owe(what, args)
        throw unavailable()
      }
    }
    const result = await work()
    note(what, args, result)
    if (stillAfter) await healed.promise
    if (isGone()) return await never()
    if (isDatabase && !stillAfter && random.chance(troubles)) {
      trace(`${name}: no answer to ${what}, which was carried out`)
      owe(what, args, result)
      throw unavailable()
    }
    return result
  }

  /** The port with every call led through here. */
  function through<P extends object> (port: P, label: string): P {
    const led = Object.entries(port as Record<string, unknown>).map(([method, value]) => {
      if (typeof value !== 'function' || immediate.has(method)) return [method, value]
      return [method, (...args: unknown[]) => call(`${label}.${method}`, args, async () => (value as (...args: unknown[]) => unknown)(...args))]
    })
    return Object.fromEntries(led) as P
  }

  /** A tool that was sent is nobody's any more when its process is dead. */
  const channelOf = (channel: Channel): Channel => ({
    ...channel,
    run (request, sink) {
      if (!isGone()) return channel.run(request, sink)
      return { started: never(), ended: never(), stop: () => {} }
    }
  })

  return {
    name,
    died: died.promise,
    get isDead () { return isGone() },
    get isIll () { return state === 'ill' },
    get wasKilled () { return isKilled },
    contextOf (context: Context): Context {
      const { jobs, sessions, runs, artifacts, leases, audit } = context.database
      const parts = { jobs, sessions, runs, artifacts, leases, audit }
      const database = Object.fromEntries(Object.entries(parts).map(([label, store]) => [label, through(store, label)]))
      const channels = through(context.channels, 'channels')
      const turns = createNodeTurns({ leases: (database as unknown as Database).leases, width: placesOnNode, log: context.log })
      return {
        ...context,
        now: () => context.now() + lostMs,
        database: { ...context.database, ...database } as Database,
        reader: through(context.reader, 'reader'),
        injector: through(context.injector, 'injector'),
        bucket: through(context.bucket, 'bucket'),
        wake: { ...context.wake, ring: through(context.wake, 'wake').ring },
        turns,
        channels: { ...channels, open: async (...args) => channelOf(await channels.open(...args)) }
      }
    },
    /** Holders of leases and claims that time has to end: all of the dead, and those whose answer was lost. */
    owed: () => ({ holders: [...state === 'dead' ? holders : [], ...owed.holders], claims: owed.claims }),
    heal (): void {
      if (state !== 'ill') return
      state = 'alive'
      if (fate?.kind === 'freeze') lostMs += stillMs
      fate = null
      trace(`${name} is back`)
      healed.resolve()
    },
    /** Everything in it ends at last, so that nothing of it is left in this process. */
    bury (): void {
      state = 'buried'
      for (const reject of unanswered) reject(new Error(`${name} is gone`))
      unanswered.clear()
    }
  }
}
export type Process = ReturnType<typeof createProcess>

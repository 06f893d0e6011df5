import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { Claim } from '#core/ports/storage.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from './context.ts'
import { execute } from './execute.ts'
import { createMemoryBudget } from './memory-budget.ts'
import { createOrders, type Orders } from './orders.ts'

const sweepMs = 1000
const renewMs = 5000
/** A change of the job may be an order; several at once are one look. */
const lookMs = 100
const memoryBytes = 128 << 20

/** Claims pods of jobs and measures them, as many at once as the policy allows. */
export function createWorker (context: Context) {
  const { database, wake, policy, log, count } = context
  const name = `${hostname()}-${process.pid}-${uuidv7().slice(-8)}`
  const budget = createMemoryBudget(memoryBytes)
  const active = new Map<Promise<void>, Orders>()
  const stopping = new AbortController()
  let claiming: Promise<void> | null = null
  let again = false
  let stopListening = async () => {}
  let sweeper: NodeJS.Timeout | undefined

  /** Claims until nothing is runnable or this process is full; a call during a claim makes one more pass after it. */
  function look (): Promise<void> {
    again = true
    claiming ??= (async () => {
      while (again && !stopping.signal.aborted) {
        again = false
        const room = policy.concurrency - active.size
        if (room <= 0) return
        const claims = await database.jobs.claim(name, room)
        for (const claim of claims) begin(claim)
        if (claims.length > 0) again = true
      }
    })().catch(error => {
      log.error({ err: error }, 'Cannot claim jobs; the next sweep tries again')
    }).finally(() => {
      claiming = null
      // Somebody called after the last pass had begun to end.
      if (again && active.size < policy.concurrency && !stopping.signal.aborted) look().catch(() => {})
    })
    return claiming
  }

  function begin (claim: Claim): void {
    const orders = createOrders()
    if (claim.cancelAsked) orders.cancel()
    const work = carryOut(claim, orders).catch(error => {
      count('ephemera_claims_lost_total')
      log.error({ err: error, jobId: claim.jobId }, 'Cannot record the end of a claim; its lease runs out and the sweep ends it')
    }).finally(() => {
      active.delete(work)
      if (!stopping.signal.aborted) look().catch(() => {})
    })
    active.set(work, orders)
  }

  async function carryOut (claim: Claim, orders: Orders): Promise<void> {
    const stopRenewing = keepRenewed(claim, orders)
    let events: Promise<void> = Promise.resolve()
    const note = (type: string, data: Record<string, unknown>) => {
      events = events.then(() => database.jobs.appendEvent(claim.jobId, type, data))
      events.catch(() => {})
    }
    try {
      const ending = await execute(context, { claim, orders, budget, note })
      await events
      if ('result' in ending) await database.jobs.finish(claim, ending.result)
      else if (await database.jobs.requeue(claim, ending.retryBecause)) await wake.ring()
      else await database.jobs.finish(claim, ending.otherwise)
    } finally {
      stopRenewing()
    }
  }

  /** Renews the lease and hears of orders: each 5 s, and soon after the job has changed. */
  function keepRenewed (claim: Claim, orders: Orders): () => void {
    let over = false
    let soon: NodeJS.Timeout | undefined
    const renew = async () => {
      const { held, cancel, finish } = await database.jobs.renew(claim)
      if (over) return
      // Another attempt owns it: what runs here must end, and can no longer write.
      if (!held || cancel) orders.cancel()
      else if (finish) orders.finish()
    }
    const tryRenew = () => { renew().catch(error => { log.warn({ err: asProblem(error), jobId: claim.jobId }, 'Cannot renew a lease') }) }
    const timer = setInterval(tryRenew, renewMs)
    const unwatch = database.jobs.watch(claim.jobId, () => {
      soon ??= setTimeout(() => { soon = undefined; tryRenew() }, lookMs)
    })
    return () => {
      over = true
      clearInterval(timer)
      clearTimeout(soon)
      unwatch()
    }
  }

  async function sweep (): Promise<void> {
    try {
      await database.jobs.sweep()
    } catch (error) {
      log.warn({ err: asProblem(error) }, 'Cannot sweep')
    }
    await look()
    if (!stopping.signal.aborted) sweeper = setTimeout(() => { sweep().catch(() => {}) }, sweepMs)
  }

  return {
    name,
    async start (): Promise<void> {
      stopListening = await wake.listen(() => { look().catch(() => {}) })
      await sweep()
    },
    /** Claims nothing more, lets what runs end within the grace, and ends the rest. */
    async stop (): Promise<void> {
      stopping.abort()
      clearTimeout(sweeper)
      await stopListening()
      await claiming
      const all = () => Promise.allSettled(active.keys())
      await Promise.race([all(), delay(policy.shutdownGraceSeconds * 1000, undefined, { ref: false })])
      for (const orders of active.values()) orders.shutdown()
      await all()
    }
  }
}

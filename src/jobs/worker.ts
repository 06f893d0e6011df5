import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { Claim } from '#core/ports/storage.ts'
import { v7 as uuidv7 } from 'uuid'
import { createAcquireSession } from './acquire-session.ts'
import { carryOut } from './carry-out.ts'
import type { Context } from './context.ts'
import { deleteStrays } from './delete-strays.ts'
import { createHold, type Hold } from './hold.ts'
import { createMemoryBudget } from './memory-budget.ts'
import { createOrders, type Orders } from './orders.ts'
import { repeat } from './repeat.ts'
import { tellOnce } from './tell-once.ts'
import { createSessionTending } from './tend-sessions.ts'

const sweepMs = 1000
/** From a claim that found something to the next: what comes in a burst is claimed together. */
const claimEveryMs = 10
const tendMs = 5 * 60_000
const tidyMs = 5000
const memoryBytes = 128 << 20

/** Claims pods of jobs and measures them, as many at once as the policy allows. */
export function createWorker (context: Context) {
  const { database, wake, policy, log, count } = context
  const name = `${hostname()}-${process.pid}-${uuidv7().slice(-8)}`
  const budget = createMemoryBudget(memoryBytes)
  const acquireSession = createAcquireSession(context)
  const tendSessions = createSessionTending(context)
  const active = new Map<Promise<void>, Orders>()
  const stopping = new AbortController()
  let claiming: Promise<void> | null = null
  let again = false
  let stopListening = async () => {}
  const claims = tellOnce(error => { log.error({ err: error }, 'Cannot claim jobs; each sweep tries again') })
  const sweeps = tellOnce(error => { log.warn({ err: asProblem(error) }, 'Cannot sweep; it is tried each second') })
  const tidyings = tellOnce(error => { log.warn({ err: asProblem(error) }, 'Cannot delete what was stored in vain; it is tried again') })

  /** Claims until nothing is runnable or this process is full; a call during a claim makes one more pass after it. */
  function look (): Promise<void> {
    again = true
    claiming ??= claimAll().then(claims.worked, claims.failed).finally(() => {
      claiming = null
      // Somebody called when the last pass was over already.
      if (again && active.size < policy.concurrency && !stopping.signal.aborted) look()
    })
    return claiming
  }

  async function claimAll (): Promise<void> {
    while (again && !stopping.signal.aborted) {
      again = false
      const room = policy.concurrency - active.size
      if (room <= 0) return
      const askedAt = context.now()
      const found = await database.jobs.claim(name, room)
      for (const claim of found) begin(claim, createHold(context, claim, askedAt))
      // Fewer than wanted: that was all, until somebody rings.
      if (found.length === room) again = true
      if (found.length > 0) await delay(claimEveryMs)
    }
  }

  function begin (claim: Claim, hold: Hold): void {
    const orders = createOrders()
    if (claim.cancelAsked) orders.cancel()
    if (stopping.signal.aborted) orders.drain()
    const work = carryOut(context, { claim, hold, orders, budget, acquireSession }).catch((error: unknown) => {
      count('ephemera_claims_lost_total')
      log.error({ err: error, jobId: claim.jobId }, 'Cannot record the end of a claim; its lease runs out and the sweep ends it')
    }).finally(() => {
      active.delete(work)
      return look()
    })
    active.set(work, orders)
  }

  async function sweep (): Promise<void> {
    await database.jobs.sweep().then(sweeps.worked, sweeps.failed)
    await look()
  }

  async function tend (): Promise<void> {
    await tendSessions().catch((error: unknown) => { log.warn({ err: asProblem(error) }, 'Cannot look after sessions') })
  }

  const tidy = () => deleteStrays(context).then(tidyings.worked, tidyings.failed)

  return {
    name,
    async start (): Promise<void> {
      repeat(tend, tendMs, stopping.signal)
      repeat(tidy, tidyMs, stopping.signal)
      stopListening = await wake.listen(look)
      await sweep()
      repeat(sweep, sweepMs, stopping.signal)
    },
    /**
     * Claims nothing more. Tools and captures get the grace (seconds; the policy's by default) to end by themselves, then they are stopped:
     * what may be repeated is left to other workers, of the rest what came is kept.
     */
    async stop (graceSeconds = policy.shutdownGraceSeconds): Promise<void> {
      stopping.abort()
      for (const orders of active.values()) orders.drain()
      // What is still claimed is drained as it begins. Neither may keep the tools that run from being stopped.
      const quiet = Promise.allSettled([stopListening(), claiming])
      const all = () => Promise.allSettled(active.keys())
      await Promise.race([quiet.then(all), delay(graceSeconds * 1000, undefined, { ref: false })])
      for (const orders of active.values()) orders.shutdown()
      await quiet
      await all()
    }
  }
}
export type Worker = ReturnType<typeof createWorker>

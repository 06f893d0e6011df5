import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import { announce, hear } from './announcements.ts'
import type { Context } from './context.ts'
import { execute, type Work } from './execute.ts'
import { createLastRun } from './last-run.ts'
import { persist } from './persist.ts'
import { ring } from './ring.ts'
import { tellOnce } from './tell-once.ts'
import { untilClusterAnswers } from './until-cluster-answers.ts'

const renewMs = 5000
/** A change of the job may be an order; several at once are one look. */
const lookMs = 100
/** Before each further attempt, times its number: what has just failed for the cluster fails again at once. */
const retryPauseMs = 300

/** One claim from its first step to its recorded end. Rejects when the end could not be recorded. */
export async function carryOut (context: Context, work: Omit<Work, 'note' | 'lastRun'>): Promise<void> {
  const { database, log } = context
  const { jobs } = database
  const { claim, orders } = work
  const stopRenewing = keepRenewed(context, work)
  const lastRun = createLastRun(database)
  let events: Promise<void> = Promise.resolve()
  const note: Work['note'] = (type, data) => {
    events = events.then(() => persist(() => jobs.appendEvent(claim.jobId, type, data))).catch((error: unknown) => {
      log.warn({ err: error, jobId: claim.jobId, type }, 'Cannot write an event of a job')
    })
  }
  try {
    const ending = await execute(context, { ...work, lastRun, note })
    await events
    if ('result' in ending) {
      await persist(() => jobs.finish(claim, ending.result, lastRun.unwritten()))
      announce(jobs, claim.jobId, 'end')
      return
    }
    await lastRun.write()
    await delay(claim.attempt * retryPauseMs, undefined, { signal: orders.signal }).catch(() => {}) // cut short by an order
    await untilClusterAnswers(context, orders.signal)
    if (await persist(() => jobs.requeue(claim, ending.retryBecause))) ring(context)
    else await persist(() => jobs.finish(claim, ending.otherwise))
  } finally {
    stopRenewing()
  }
}

/** Renews the lease and hears of orders: each 5 s, soon after the job has changed, and at once when they are given in this process. */
function keepRenewed ({ database: { jobs }, log }: Context, { claim, hold, orders }: Pick<Work, 'claim' | 'hold' | 'orders'>): () => void {
  let over = false
  const trouble = tellOnce(error => {
    log.warn({ err: asProblem(error), jobId: claim.jobId }, 'Cannot renew a lease; it is tried until that works or somebody else has the work')
  })
  let soon: NodeJS.Timeout | undefined
  async function renew (): Promise<void> {
    try {
      const { held, cancel, finish } = await hold.renew()
      if (over) return
      // Another attempt owns it: what runs here must end, and can no longer be written down.
      if (!held || cancel) orders.cancel()
      else if (finish) orders.finish()
    } catch (error) {
      trouble.failed(error)
    }
  }
  const timer = setInterval(renew, renewMs)
  const unwatch = jobs.watch(claim.jobId, () => {
    soon ??= setTimeout(() => {
      soon = undefined
      return renew()
    }, lookMs)
  })
  const unhear = hear(jobs, claim.jobId, 'order', renew)
  return () => {
    over = true
    unhear()
    clearInterval(timer)
    clearTimeout(soon)
    unwatch()
  }
}

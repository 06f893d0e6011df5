import { isFinal, type Job } from '#core/job.ts'
import type { JobStore } from '#core/ports/storage.ts'
import { right, type Principal } from '#core/principal.ts'
import { announce } from './announcements.ts'
import { auditEvent, audited, record } from './audit.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, isOwn } from './visible.ts'

/** Cancel and finish: both answer the job as it is then, and change nothing in one that has ended. */
export function createJobSteering (context: Context): Pick<UseCases, 'cancel' | 'finish'> {
  const { database: { jobs }, authority } = context
  const steer = (action: string, order: JobStore['cancel']) => (caller: Principal, id: string): Promise<Job> => {
    const object = `job ${id}`
    return audited(context, { action, caller, namespace: null, object }, async attempted => {
      const found = await jobs.find(id)
      // Who launched a job may always steer it, even without the right to read.
      const job = found && isOwn(caller, found) ? found : await demandSeen(context, caller, found, attempted)
      if (!isOwn(caller, job)) await authority.demand(caller, right('update', 'jobs', job.namespace))
      if (isFinal(job.state)) return job
      const ordered = await order(id)
      announce(jobs, id, 'order')
      await record(context, auditEvent({ action, principal: caller, namespace: job.namespace, object }))
      return ordered ?? job
    })
  }
  return { cancel: steer('cancel', id => jobs.cancel(id)), finish: steer('finish', id => jobs.askFinish(id)) }
}

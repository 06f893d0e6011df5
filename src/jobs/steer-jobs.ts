import { isFinal, type Job } from '#core/job.ts'
import type { JobStore } from '#core/ports/storage.ts'
import type { Principal } from '#core/principal.ts'
import { auditEvent, audited, record } from './audit.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, demandSteering } from './visible.ts'

/** Cancel and finish: both answer the job as it is then, and change nothing in one that has ended. */
export function createJobSteering (context: Context): Pick<UseCases, 'cancel' | 'finish'> {
  const { jobs } = context.database
  const steer = (action: string, order: JobStore['cancel']) => async (caller: Principal, id: string): Promise<Job> => {
    const attempted = { action, caller, namespace: null, object: `job ${id}` }
    return await audited(context, attempted, async () => {
      const job = await demandSeen(context, caller, await jobs.find(id), `job ${id}`)
      await demandSteering(context, caller, job)
      if (isFinal(job.state)) return job
      const ordered = await order(id)
      await record(context, auditEvent({ action, principal: caller, namespace: job.namespace, object: `job ${id}` }))
      return ordered ?? job
    })
  }
  return { cancel: steer('cancel', id => jobs.cancel(id)), finish: steer('finish', id => jobs.askFinish(id)) }
}

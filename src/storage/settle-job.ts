import { isFinal, type JobState } from '#core/job.ts'
import { decideJob, type DecidedJob, type DecidedPod } from './decide-job.ts'
import { endEvent, jobEvent, type DraftEvent } from './job-events.ts'
import { toJsonText } from './json-text.ts'
import type { Querier } from './postgres.ts'

/** The row of end_job(): findings become words that `q` finds. */
export const endedJob = ({ state, verdict, error, findings }: DecidedJob) => ({
  state, verdict, error, findings, search: findings.map(({ code, message }) => `\n${code} ${message}`).join('').toLowerCase()
})

export const endEvents = ({ state, verdict, error }: DecidedJob): DraftEvent[] =>
  [jobEvent(state, verdict, error), endEvent(state, verdict)]

/**
 * Writes what follows for a job from its pods, after `events`. Locks the job: whoever ends the last pod sees all others. Locks are taken in
 * the order pod, run, artifact, job; who locks a pod later skips it where it is locked, so that no two transactions wait for each other.
 */
export async function settleJob (tx: Querier, jobId: string, events: DraftEvent[]): Promise<void> {
  const [job] = await tx.rows<{ state: JobState, cancelled: boolean }>(
    'SELECT state, cancel_asked_at IS NOT NULL AS cancelled FROM job WHERE id = $1 FOR NO KEY UPDATE', [jobId])
  if (!job) return
  const pods = await tx.rows<DecidedPod>('SELECT pod, state, verdict, error, findings FROM job_pod WHERE job_id = $1 ORDER BY id', [jobId])
  const decided = decideJob(pods, job.cancelled)
  const all = [...events]
  if (isFinal(decided.state) && !isFinal(job.state)) {
    await tx.rows('SELECT end_job($1, $2)', [jobId, toJsonText(endedJob(decided))])
    all.push(...endEvents(decided))
  } else if (decided.state === 'queued' && job.state === 'running') { // only a claim starts a job: a pod that ended waiting does not
    await tx.rows('UPDATE job SET state = $2 WHERE id = $1', [jobId, decided.state])
    all.push(jobEvent(decided.state, null, null))
  }
  if (all.length > 0) await tx.rows('SELECT append_events($1, $2)', [jobId, toJsonText(all)])
}

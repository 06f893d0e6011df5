import { isFinal, type JobState } from '#core/job.ts'
import { comparePods } from '#core/pods-disagree.ts'
import { decideJob, type DecidedJob, type DecidedPod } from './decide-job.ts'
import { endEvent, findingEvent, jobEvent, type DraftEvent } from './job-events.ts'
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
  const [job] = await tx.rows<{ diagnostic: string, state: JobState, cancelled: boolean }>(
    'SELECT diagnostic, state, cancel_asked_at IS NOT NULL AS cancelled FROM job WHERE id = $1 FOR NO KEY UPDATE', [jobId])
  if (!job) return
  const pods = await tx.rows<DecidedPod & { id: string }>(`
    SELECT id, pod, state, verdict, error, findings, nullif(node, '') AS node, snapshot->>'zone' AS zone, snapshot->>'revision' AS revision
    FROM job_pod WHERE job_id = $1 ORDER BY id`, [jobId])
  const decided = decideJob(pods, job.cancelled)
  const all = [...events]
  if (isFinal(decided.state) && !isFinal(job.state)) {
    const disagreement = decided.state === 'succeeded' ? comparePods(job.diagnostic, pods) : null
    if (disagreement) {
      decided.findings.unshift(disagreement)
      all.push(findingEvent(null, disagreement))
      // Found with the row of a pod that fails; numbers of the pod's own findings begin with 1.
      const { id } = pods.find(({ verdict }) => verdict === 'fail')!
      await tx.rows('INSERT INTO finding (job_pod_id, ordinal, job_id, code, severity) VALUES ($1, 0, $2, $3, $4)',
        [id, jobId, disagreement.code, disagreement.severity])
    }
    all.push(...endEvents(decided))
    await tx.rows('SELECT end_job($1, $2, $3)', [jobId, toJsonText(endedJob(decided)), toJsonText(all)])
    return
  }
  if (decided.state === 'queued' && job.state === 'running') { // only a claim starts a job: a pod that ended waiting does not
    await tx.rows('UPDATE job SET state = $2 WHERE id = $1', [jobId, decided.state])
    all.push(jobEvent(decided.state, null, null))
  }
  // What is known so far, while others still run.
  if (!isFinal(decided.state) && events.some(({ type }) => type === 'finding')) {
    await tx.rows('UPDATE job SET findings = $2 WHERE id = $1', [jobId, toJsonText(decided.findings)])
  }
  if (all.length > 0) await tx.rows('SELECT append_events($1, $2)', [jobId, toJsonText(all)])
}

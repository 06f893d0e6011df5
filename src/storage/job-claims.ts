import type { Claim, JobStore } from '#core/ports/storage.ts'
import { decideJob, cancelledError } from './decide-job.ts'
import { endParameters, endRun } from './end-run.ts'
import type { JobChanges } from './job-changes.ts'
import { findingEvent, podEvent, type DraftEvent } from './job-events.ts'
import { toJsonText } from './json-text.ts'
import type { Postgres } from './postgres.ts'
import { endedJob, endEvents, settleJob } from './settle-job.ts'
import { useSession } from './use-session.ts'

/** Over all processes: pods that may run at the same time, captures that may run in one pod, pods of one caller that may wait. */
export interface Limits { caller: number, namespace: number, node: number, captures: number, queued: number }

export interface ClaimOptions { limits: Limits, leaseSeconds: number }

type ClaimStore = Pick<JobStore, 'claim' | 'renew' | 'attachSession' | 'finish' | 'requeue'>

export const maxAttempts = 3

/** What fences every write of a worker. */
const held = 'id = $1 AND attempt = $2 AND claimed_by = $3 AND state = \'running\''
const fence = ({ jobPodId, attempt, worker }: Claim) => [jobPodId, attempt, worker]

/** A row whose worker had no answer to it, and so does not know that it stands, would never end. */
const abandonRuns = (tx: Pick<Postgres, 'rows'>, { jobPodId, attempt }: Claim) => tx.rows('SELECT abandon_runs($1, $2)', [jobPodId, attempt])

export function createClaims (db: Postgres, changes: JobChanges, { limits, leaseSeconds }: ClaimOptions): ClaimStore {
  return {
    async claim (worker, want) {
      const rows = await db.rows<{ claim: Omit<Claim, 'leaseSeconds'> }>('SELECT claim_pods($1, $2, $3, $4, $5, $6, $7) AS claim',
        [worker, want, leaseSeconds, limits.caller, limits.namespace, limits.node, limits.captures])
      const claims = rows.map(({ claim }) => ({ ...claim, leaseSeconds }))
      for (const jobId of new Set(claims.map(claim => claim.jobId))) changes.changed(jobId)
      return claims
    },

    async renew (claim) {
      const [row] = await db.rows<{ cancel: boolean, finish: boolean }>(`
        UPDATE job_pod p SET lease_until = clock_timestamp() + make_interval(secs => $4) FROM job j
        WHERE p.id = $1 AND p.attempt = $2 AND p.claimed_by = $3 AND p.state = 'running' AND j.id = p.job_id
        RETURNING j.cancel_asked_at IS NOT NULL AS cancel, j.finish_asked_at IS NOT NULL AS finish`, [...fence(claim), leaseSeconds])
      return row ? { held: true, ...row } : { held: false, cancel: false, finish: false }
    },

    async attachSession (claim, sessionId, reused) {
      const rows = await db.rows(`
        WITH pod AS (
          UPDATE job_pod SET session_id = $4, session_reused = $5 WHERE ${held} RETURNING id
        ), used AS (
          ${useSession('$4', '$6')} AND EXISTS (SELECT FROM pod))
        SELECT id FROM pod`, [...fence(claim), sessionId, reused, claim.principal.username])
      return rows.length === 1
    },

    async finish (claim, result, lastRun) {
      const { jobId, jobPodId: id, namespace, pod, podUid, attempt } = claim
      const { state, verdict, error, findings } = result
      const events: DraftEvent[] = [
        ...findings.map(finding => findingEvent(pod, finding)),
        podEvent({ id, namespace, pod, podUid, state, verdict, error, attempt })
      ]
      const choice = (cancelAccepted: boolean) => {
        const decided = decideJob([{ pod, state, verdict, error, findings }], cancelAccepted)
        return { job: endedJob(decided), events: endEvents(decided) }
      }
      const row = toJsonText(result)
      const both = toJsonText({ plain: choice(false), cancelled: choice(true) })
      const [alone] = await db.rows<{ done: boolean }>('SELECT finish_alone($1, $2, $3, $4, $5, $6, $7, $8, $9) AS done',
        [...fence(claim), row, toJsonText(events), both, ...lastRun ? endParameters(lastRun) : [null, null, null]])
      if (!alone?.done && lastRun) await endRun(db, lastRun)
      const done = alone?.done || await db.transaction(async tx => {
        const [ended] = await tx.rows<{ job: string | null }>('SELECT end_pod($1, $2, $3, false, $4) AS job', [...fence(claim), row])
        if (!ended?.job) return false
        if (state !== 'succeeded') await abandonRuns(tx, claim)
        await settleJob(tx, jobId, events)
        return true
      })
      if (done || lastRun) changes.changed(jobId)
      return done
    },

    async requeue (claim, reason) {
      const { jobId, jobPodId: id, namespace, pod, podUid, attempt } = claim
      const done = await db.transaction(async tx => {
        const rows = await tx.rows(`
          UPDATE job_pod SET state = 'queued', claimed_by = NULL, lease_until = NULL, session_id = NULL, session_reused = false
          WHERE ${held} AND attempt < $4 RETURNING id`, [...fence(claim), maxAttempts])
        if (rows.length === 0) return false
        await abandonRuns(tx, claim)
        const state = await endIfCancelled(tx, jobId, id) ? 'cancelled' : 'queued'
        const event = podEvent({ id, namespace, pod, podUid, state, verdict: null, error: state === 'cancelled' ? cancelledError : null, attempt })
        await settleJob(tx, jobId, [{ ...event, data: { ...event.data, reason } }])
        return true
      })
      if (done) changes.changed(jobId)
      return done
    }
  }
}

/** A pod that went back to the queue of a job whose cancellation was accepted meanwhile has no worker that would end it. */
export async function endIfCancelled (tx: Pick<Postgres, 'rows'>, jobId: string, podId: string): Promise<boolean> {
  await tx.rows('SELECT FROM job WHERE id = $1 FOR NO KEY UPDATE', [jobId])
  const rows = await tx.rows(`
    UPDATE job_pod p SET state = 'cancelled', error = $3, finished_at = clock_timestamp() FROM job j
    WHERE p.id = $2 AND p.state = 'queued' AND j.id = $1 AND j.cancel_asked_at IS NOT NULL RETURNING p.id`,
  [jobId, podId, toJsonText(cancelledError)])
  return rows.length === 1
}

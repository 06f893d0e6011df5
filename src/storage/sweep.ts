import { cancelledError, jobError } from './decide-job.ts'
import { endIfCancelled, maxAttempts } from './job-claims.ts'
import type { JobChanges } from './job-changes.ts'
import { podEvent } from './job-events.ts'
import type { JobError } from '#core/job.ts'
import { toJsonText } from './json-text.ts'
import { ensurePartitions } from './partitions.ts'
import type { Postgres, Querier } from './postgres.ts'
import { settleJob } from './settle-job.ts'

/** Pods that one sweep ends at the most; the next one goes on. */
const batch = 200
const upkeepEveryMs = 6 * 3600 * 1000

interface DuePod { id: string, job_id: string, namespace: string, pod: string, pod_uid: string, attempt: number, retry_safe: boolean }

const columns = 'p.id, p.job_id, p.namespace, p.pod, p.pod_uid, p.attempt, j.retry_safe'
// now(), since no index is asked for a clock_timestamp().
const waited = 'p.state = \'queued\' AND p.attempt = 0 AND p.expires_at <= now()'
const lost = 'p.state = \'running\' AND p.lease_until <= now()'

const expired = jobError('EPH_EXPIRED', 'Cannot start the measurement: it had to wait longer than startWithinSeconds')
const indeterminate = jobError('EPH_INDETERMINATE', 'Cannot tell how the measurement ended: its worker was lost when the tool had been sent')
const channelLost = jobError('EPH_CHANNEL_LOST', `Cannot finish the measurement: ${maxAttempts} workers were lost with it`)

async function endPod (tx: Querier, due: DuePod, state: 'expired' | 'failed' | 'cancelled', error: JobError): Promise<void> {
  await tx.rows('UPDATE job_pod SET state = $2, error = $3, lease_until = NULL, finished_at = clock_timestamp() WHERE id = $1', [due.id, state, toJsonText(error)])
  await settleJob(tx, due.job_id, [podEvent({ ...due, podUid: due.pod_uid, state, verdict: null, error })])
}

async function recover (tx: Querier, due: DuePod): Promise<void> {
  const [runs] = await tx.rows<{ sent: boolean }>('SELECT abandon_runs($1, $2) AS sent', [due.id, due.attempt])
  await tx.rows('UPDATE job_pod SET state = \'queued\', claimed_by = NULL, lease_until = NULL, session_id = NULL, session_reused = false WHERE id = $1', [due.id])
  if (await endIfCancelled(tx, due.job_id, due.id)) return endPod(tx, due, 'cancelled', cancelledError)
  if (runs?.sent && !due.retry_safe) return endPod(tx, due, 'failed', indeterminate)
  if (due.attempt >= maxAttempts) return endPod(tx, due, 'failed', channelLost)
  const event = podEvent({ ...due, podUid: due.pod_uid, state: 'queued', verdict: null, error: null })
  await settleJob(tx, due.job_id, [{ ...event, data: { ...event.data, reason: 'The worker was lost' } }])
}

/** Finds what is due, by the database's clock; several processes may sweep at the same time. */
export function createSweep (db: Postgres, changes: JobChanges): () => Promise<number> {
  let upkeptAt = -Infinity

  /** One short transaction for each pod: asks again under the lock, and leaves alone what somebody else has locked. */
  async function endEach (due: string, since: string, end: (tx: Querier, pod: DuePod) => Promise<void>): Promise<number> {
    const found = await db.rows<{ id: string }>(`SELECT p.id FROM job_pod p WHERE ${due} ORDER BY ${since} LIMIT ${batch}`)
    let count = 0
    for (const { id } of found) {
      const jobId = await db.transaction(async tx => {
        const [pod] = await tx.rows<DuePod>(`SELECT ${columns} FROM job_pod p JOIN job j ON j.id = p.job_id
          WHERE p.id = $1 AND ${due} FOR UPDATE OF p SKIP LOCKED`, [id])
        if (pod) await end(tx, pod)
        return pod?.job_id
      })
      if (!jobId) continue
      changes.changed(jobId)
      count++
    }
    return count
  }

  /** Jobs end together with the one that they follow. This is for those whose source was removed, or ended by hand. */
  async function settleLeft (): Promise<number> {
    const left = await db.rows<{ job_id: string, source_id: string }>(`
      SELECT f.job_id, f.source_id FROM job_follower f LEFT JOIN job s ON s.id = f.source_id
      WHERE s.id IS NULL OR s.finished_at IS NOT NULL LIMIT ${batch}`)
    for (const source of new Set(left.map(row => row.source_id))) await db.rows('SELECT settle_followers($1)', [source])
    for (const { job_id: jobId } of left) changes.changed(jobId)
    return left.length
  }

  async function keepUp (): Promise<void> {
    if (performance.now() - upkeptAt < upkeepEveryMs) return
    await ensurePartitions(db.pool)
    await db.rows('DELETE FROM outbox WHERE relayed_at < now() - interval \'1 day\'')
    await db.rows('DELETE FROM lease WHERE until < now() - interval \'1 day\'')
    await db.rows('DELETE FROM idempotency_key WHERE created_at < now() - interval \'1 day\'')
    upkeptAt = performance.now()
  }

  return async () => {
    const ended = await endEach(waited, 'p.expires_at', (tx, pod) => endPod(tx, pod, 'expired', expired)) +
      await endEach(lost, 'p.lease_until', recover) +
      await settleLeft()
    // A wake-up that nobody has answered for a second is the sweep's: whoever sweeps looks for work anyway.
    await db.rows('UPDATE outbox SET relayed_at = now() WHERE relayed_at IS NULL AND created_at < now() - interval \'1 second\'')
    await keepUp() // last: its failure keeps nobody waiting
    return ended
  }
}

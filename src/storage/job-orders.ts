import type { Job } from '#core/job.ts'
import type { JobStore } from '#core/ports/storage.ts'
import { cancelledError } from './decide-job.ts'
import type { JobChanges } from './job-changes.ts'
import { inlinePods, toJob, type JobDocument } from './job-document.ts'
import { podEvent } from './job-events.ts'
import { toJsonText } from './json-text.ts'
import type { Postgres, Querier } from './postgres.ts'
import { settleJob } from './settle-job.ts'
import { isId } from './stored.ts'

export async function findJob (db: Querier, id: string, cluster: string): Promise<Job | null> {
  if (!isId(id)) return null
  const [row] = await db.rows<{ document: JobDocument | null }>('SELECT job_document($1, $2) AS document', [id, inlinePods + 1])
  return row?.document ? toJob(row.document, cluster) : null
}

interface EndedPod { id: string, namespace: string, pod: string, pod_uid: string, attempt: number }

/** What callers ask of a job that was launched. A final job is answered as it is. */
export function createOrders (db: Postgres, changes: JobChanges, cluster: string): Pick<JobStore, 'cancel' | 'askFinish'> {
  return {
    async cancel (id) {
      if (!isId(id)) return null
      await db.transaction(async tx => {
        const asked = await tx.rows(`
          UPDATE job SET cancel_asked_at = coalesce(cancel_asked_at, now()) WHERE id = $1 AND finished_at IS NULL RETURNING id`, [id])
        if (asked.length === 0) return
        // Whoever has a pod locked waits for the job, and sees what was asked. (|| '' keeps it from the index of all that is queued.)
        const ended = await tx.rows<EndedPod>(`
          UPDATE job_pod SET state = 'cancelled', error = $2, finished_at = clock_timestamp()
          WHERE id IN (
            SELECT id FROM job_pod WHERE job_id = $1 AND (state || '' = 'queued' OR (state || '' = 'running' AND source_pod_id IS NOT NULL))
            FOR UPDATE SKIP LOCKED)
          RETURNING id, namespace, pod, pod_uid, attempt`, [id, toJsonText(cancelledError)])
        await settleJob(tx, id, ended.map(({ pod_uid: podUid, ...pod }) =>
          podEvent({ ...pod, podUid, state: 'cancelled', verdict: null, error: cancelledError })))
      })
      changes.changed(id)
      return await findJob(db, id, cluster)
    },

    async askFinish (id) {
      if (!isId(id)) return null
      await db.rows('UPDATE job SET finish_asked_at = coalesce(finish_asked_at, now()) WHERE id = $1 AND finished_at IS NULL', [id])
      changes.changed(id)
      return await findJob(db, id, cluster)
    }
  }
}

import type { JobStore } from '#core/ports/storage.ts'
import type { Postgres } from './postgres.ts'

/** What callers are told of what waits. */
export const createQueue = (db: Postgres): Pick<JobStore, 'countQueued' | 'queuePositions'> => ({
  async countQueued (username) {
    const [row] = await db.rows<{ waiting: number }>(`
      SELECT count(*)::integer AS waiting FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by = $1`, [username])
    return row?.waiting ?? 0
  },

  async queuePositions (jobIds) {
    const rows = await db.rows<{ job: string, place: number }>('SELECT job, place FROM queue_positions($1)', [jobIds])
    return new Map(rows.map(({ job, place }) => [job, place]))
  }
})

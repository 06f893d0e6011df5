import { Problem } from '#core/errors.ts'
import type { JobEvent, JobStore } from '#core/ports/storage.ts'
import { createJob, findSource, keyOwner, mismatch } from './create-job.ts'
import type { JobChanges } from './job-changes.ts'
import { createClaims, type ClaimOptions } from './job-claims.ts'
import { toPodPage, type PodDocument } from './job-document.ts'
import { createOrders, findJob } from './job-orders.ts'
import { createQueue } from './job-queue.ts'
import { toJsonText } from './json-text.ts'
import { listJobs } from './list-jobs.ts'
import type { Postgres } from './postgres.ts'
import type { Prisma } from './prisma.ts'
import { isId, time } from './stored.ts'
import { createSweep } from './sweep.ts'

export interface JobStoreOptions extends ClaimOptions { cluster: string }

export function createJobStore (db: Postgres, prisma: Prisma, changes: JobChanges, options: JobStoreOptions): JobStore {
  const { cluster } = options
  return {
    create: createJob(db, cluster, options.limits),
    findSource: findSource(db),
    ...createQueue(db),

    async replay (principal, key, requestHash) {
      const used = await prisma.idempotencyKey.findUnique({ where: { username_key: { username: keyOwner(principal), key } } })
      if (!used) return null
      if (used.requestHash !== requestHash) throw mismatch(key)
      return await findJob(db, used.jobId, cluster)
    },

    find: id => findJob(db, id, cluster),
    list: listJobs(prisma, cluster),

    async pods (jobId, { limit, after }) {
      if (after !== null && !isId(after)) throw new Problem('EPH_CURSOR_INVALID', 'Cannot go on with the list: the cursor names no item')
      if (!isId(jobId)) return { items: [], nextCursor: null }
      const [row] = await db.rows<{ documents: PodDocument[] }>('SELECT pod_documents($1, $2, $3) AS documents', [jobId, after, limit + 1])
      return toPodPage(row?.documents ?? [], limit)
    },

    async events (jobId, afterSeq, limit) {
      if (!isId(jobId)) return []
      const rows = await db.rows<Omit<JobEvent, 'at'> & { at: Date }>(
        'SELECT seq, type, data, at FROM job_event WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3', [jobId, afterSeq, limit])
      return rows.map(row => ({ ...row, at: time(row.at) }))
    },

    async appendEvent (jobId, type, data) {
      // Who no longer holds a pod may still write: the end of a job stays its last event.
      await db.rows(`
        WITH open AS MATERIALIZED (SELECT id FROM job WHERE id = $1 AND finished_at IS NULL FOR NO KEY UPDATE)
        SELECT append_events(id, $2) FROM open`, [jobId, toJsonText([{ type, data }])])
      changes.changed(jobId)
    },

    ...createClaims(db, changes, options),
    ...createOrders(db, changes, cluster),
    sweep: createSweep(db, changes),
    watch: changes.watch
  }
}

import { Problem } from '#core/errors.ts'
import { toPage } from '#core/page.ts'
import type { RunStore } from '#core/ports/storage.ts'
import { endRun } from './end-run.ts'
import { beyond, runWhere, withSources } from './filters.ts'
import type { JobChanges } from './job-changes.ts'
import { cleanText } from './json-text.ts'
import type { Postgres } from './postgres.ts'
import type { Prisma } from './prisma.ts'
import { toRun } from './run-row.ts'
import { isId } from './stored.ts'
import { useSession } from './use-session.ts'

/** A stored piece is at most so long: what is looked for cannot begin earlier. */
const chunkBytes = 64 << 10

const artifacts = { artifacts: { orderBy: { id: 'asc' } } } as const

export function createRunStore (db: Postgres, prisma: Prisma, changes: JobChanges): RunStore {
  return {
    async start ({ id, jobPodId, jobId, sessionId, attempt, diagnostic, argv, reused, username }) {
      // The lock waits for a sweep that is just taking the pod away from a lost worker; what is started after that, nobody would end.
      const held = await db.rows(`
        WITH held AS (
          UPDATE job_pod SET session_id = $4, session_reused = $8 WHERE id = $2 AND job_id = $3 AND attempt = $5 AND state = 'running' RETURNING *
        ), used AS (
          ${useSession('$4', '$9')} AND EXISTS (SELECT FROM held)
        ), made AS (
          INSERT INTO run (id, job_pod_id, job_id, session_id, namespace, pod, pod_uid, attempt, diagnostic, argv)
          SELECT $1, id, job_id, $4, namespace, pod, pod_uid, $5, $6, $7 FROM held ON CONFLICT DO NOTHING)
        SELECT id FROM held`, [id, jobPodId, jobId, sessionId, attempt, diagnostic, argv.map(cleanText), reused, username])
      if (held.length === 0) throw new Problem('EPH_CONFLICT', `Cannot start run "${id}": its attempt no longer holds the pod`)
    },

    async started (id) {
      const [run] = await db.rows<{ job_id: string }>(`
        WITH begun AS (UPDATE run SET started_at = now() WHERE id = $1 AND started_at IS NULL AND ended_at IS NULL RETURNING *)
        SELECT job_id, append_events(job_id, run_started_event(begun)) FROM begun`, [id])
      if (run) changes.changed(run.job_id)
    },

    async append ({ id, jobId }, stream, offset, bytes) {
      if (bytes.length === 0) return
      const [row] = await db.rows<{ stored: boolean }>('SELECT append_output($1, $2, $3, $4, $5) AS stored', [jobId, id, stream, offset, bytes])
      if (!row?.stored) throw new Problem('EPH_CONFLICT', `Cannot store output of run "${id}": it has ended`)
      changes.changed(jobId)
    },

    async end (ended) {
      const job = await endRun(db, ended)
      if (job) changes.changed(job)
    },

    async find (id) {
      if (!isId(id)) return null
      const row = await prisma.run.findUnique({ where: { id }, include: artifacts })
      return row && toRun(row, row.artifacts)
    },

    async list (filter, page) {
      const rows = await prisma.run.findMany({
        where: { AND: [runWhere(await withSources(prisma, filter)), { id: beyond(page) }] }, orderBy: { id: 'desc' }, take: page.limit + 1, include: artifacts
      })
      return toPage(rows.map(row => toRun(row, row.artifacts)), page.limit)
    },

    async output ({ id, jobId }, stream, offset, maxBytes) {
      const rows = await db.rows<{ start_byte: string, bytes: Buffer }>(`
        SELECT start_byte, bytes FROM run_output
        WHERE job_id = $1 AND run_id = $2 AND stream = $3 AND start_byte > $4::bigint - ${chunkBytes} AND start_byte < $4::bigint + $5
        ORDER BY start_byte`, [jobId, id, stream, offset, maxBytes])
      const parts: Buffer[] = []
      let next = offset
      for (const { start_byte: startByte, bytes } of rows) {
        const start = Number(startByte)
        if (start + bytes.length <= next) continue
        if (start > next) break // what lies behind a gap is not yet the stream's
        parts.push(bytes.subarray(next - start))
        next = start + bytes.length
      }
      return Buffer.concat(parts).subarray(0, maxBytes)
    }
  }
}

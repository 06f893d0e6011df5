import { Problem } from '#core/errors.ts'
import { toPage } from '#core/page.ts'
import type { ArtifactStore } from '#core/ports/storage.ts'
import { beyond, runWhere, withSources } from './filters.ts'
import type { JobChanges } from './job-changes.ts'
import { toJsonText } from './json-text.ts'
import type { Postgres } from './postgres.ts'
import type { Prisma } from './prisma.ts'
import { toArtifact } from './run-row.ts'
import { isId } from './stored.ts'

/** Longer than a worker that has lost its claim goes on putting: it hears of it, or gives up its store, within minutes. */
const strayMinutes = 10

const run = { run: { select: { namespace: true, pod: true, podUid: true } } } as const

const event = (phase: string, extra: string) => `append_events(job_id, jsonb_build_array(jsonb_build_object('type', 'artifact', 'data',
  jsonb_build_object('phase', '${phase}', 'artifactId', id, 'runId', run_id, 'kind', kind, 'contentType', content_type${extra}))))`

const sealed = (artifactId: string) => new Problem('EPH_CONFLICT', `Cannot extend artifact "${artifactId}": it is sealed`)

export function createArtifactStore (db: Postgres, prisma: Prisma, changes: JobChanges): ArtifactStore {
  return {
    async create ({ id, runId, jobId, kind, contentType }) {
      // Repeated, it does nothing more. (FOR SHARE: the run cannot end meanwhile.)
      const open = await db.rows(`
        WITH open AS (
          SELECT id, job_id FROM run WHERE id = $2 AND job_id = $3 AND ended_at IS NULL FOR SHARE
        ), made AS (
          INSERT INTO artifact (id, run_id, job_id, kind, content_type) SELECT $1, id, job_id, $4, $5 FROM open ON CONFLICT DO NOTHING RETURNING *)
        SELECT (SELECT ${event('growing', '')} FROM made) FROM open`, [id, runId, jobId, kind, contentType])
      if (open.length === 0) throw new Problem('EPH_CONFLICT', `Cannot store an artifact of run "${runId}": it has ended`)
      changes.changed(jobId)
    },

    async announce (artifactId, key) {
      const growing = await db.rows(`
        UPDATE artifact SET pending = CASE WHEN $2 = ANY (pending) THEN pending ELSE pending || $2::text END
        WHERE id = $1 AND state = 'growing' RETURNING id`, [artifactId, key])
      if (growing.length === 0) throw sealed(artifactId)
    },

    async addSegment (artifactId, { key, offset, sizeBytes, sha256 }) {
      const [artifact] = await db.rows<{ job_id: string }>(`
        WITH grown AS (
          UPDATE artifact SET size_bytes = greatest(size_bytes, $2::bigint + $3), pending = array_remove(pending, $4)
          WHERE id = $1 AND state = 'growing' RETURNING id, job_id
        ), added AS (
          INSERT INTO artifact_segment (artifact_id, start_byte, size_bytes, key, sha256) SELECT id, $2, $3, $4, $5 FROM grown
          ON CONFLICT DO NOTHING)
        SELECT job_id FROM grown`, [artifactId, offset, sizeBytes, key, sha256])
      if (!artifact) throw sealed(artifactId)
      changes.changed(artifact.job_id)
    },

    async seal (artifactId, sizeBytes, sha256, completeness) {
      const [artifact] = await db.rows<{ job_id: string }>(`
        WITH sealed AS (
          UPDATE artifact SET state = 'sealed', sealed_at = now(), size_bytes = $2, sha256 = $3, completeness = $4
          WHERE id = $1 AND state = 'growing' RETURNING *)
        SELECT job_id, ${event('sealed', ", 'sizeBytes', size_bytes, 'sha256', sha256, 'completeness', completeness")} FROM sealed`,
      [artifactId, sizeBytes, sha256, toJsonText(completeness)])
      if (artifact) changes.changed(artifact.job_id)
    },

    async find (id) {
      if (!isId(id)) return null
      const row = await prisma.artifact.findUnique({ where: { id }, include: run })
      return row && toArtifact(row, row.run)
    },

    async list (filter, page) {
      const rows = await prisma.artifact.findMany({
        where: { AND: [{ run: runWhere(await withSources(prisma, filter)) }, { id: beyond(page) }] }, orderBy: { id: 'desc' }, take: page.limit + 1, include: run
      })
      return toPage(rows.map(row => toArtifact(row, row.run)), page.limit)
    },

    async segments (artifactId, offset) {
      const rows = await db.rows<{ key: string, start: string, size_bytes: number, sha256: string }>(`
        SELECT key, start_byte AS start, size_bytes, sha256 FROM artifact_segment
        WHERE artifact_id = $1 AND start_byte + size_bytes > $2 ORDER BY start_byte`, [artifactId, offset])
      return rows.map(({ key, start, size_bytes: sizeBytes, sha256 }) => ({ key, offset: Number(start), sizeBytes, sha256 }))
    },

    strays: limit => db.rows<{ artifactId: string, key: string }>(`
      SELECT a.id AS "artifactId", unnest(a.pending) AS key FROM (
        SELECT id, pending FROM artifact WHERE state = 'sealed' AND pending <> '{}' AND sealed_at < now() - interval '${strayMinutes} minutes'
        ORDER BY sealed_at LIMIT $1) a`, [limit]),

    async forget (artifactId, key) {
      await db.rows('UPDATE artifact SET pending = array_remove(pending, $2) WHERE id = $1', [artifactId, key])
    }
  }
}

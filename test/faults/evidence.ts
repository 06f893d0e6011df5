import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'

export interface StoredRun {
  id: string
  word: string
  pod: string
  kind: string
  attempt: number
  state: 'complete' | 'truncated' | null
  /** Of its stream stdout, as the row of the run says it. */
  told: { storedBytes: number, sha256: string | null }
  /** Of its artifact, where it has one. */
  artifact: { id: string, sizeBytes: number, sha256: string | null } | null
  /** What is really stored of stdout, in Postgres or in the bucket. */
  bytes: Buffer
}

export const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

interface Row {
  id: string
  word: string
  pod: string
  diagnostic: string
  attempt: number
  state: StoredRun['state']
  stored: string | null
  sha: string | null
  bytes: Buffer | null
  artifact: string | null
  size: string | null
  artifact_sha: string | null
}

/** All runs with the bytes that can be read back, past all stores. */
export async function readRuns (db: pg.Client, folder: string): Promise<StoredRun[]> {
  const { rows } = await db.query<Row>(`
    SELECT r.id, j.labels->>'word' AS word, r.pod, r.diagnostic, r.attempt, r.completeness->>'state' AS state,
      s->>'storedBytes' AS stored, s->>'sha256' AS sha, a.id AS artifact, a.size_bytes AS size, a.sha256 AS artifact_sha,
      (SELECT string_agg(o.bytes, ''::bytea ORDER BY o.start_byte) FROM run_output o
         WHERE o.job_id = r.job_id AND o.run_id = r.id AND o.stream = 'stdout') AS bytes
    FROM run r JOIN job j ON j.id = r.job_id LEFT JOIN artifact a ON a.run_id = r.id
    LEFT JOIN LATERAL jsonb_array_elements(r.streams) s ON s->>'name' = 'stdout'`)
  const segments = await db.query<{ artifact_id: string, key: string }>('SELECT artifact_id, key FROM artifact_segment ORDER BY artifact_id, start_byte')
  const keysOf = Map.groupBy(segments.rows, ({ artifact_id: id }) => id)
  return rows.map(row => ({
    id: row.id,
    word: row.word,
    pod: row.pod,
    kind: row.diagnostic,
    attempt: row.attempt,
    state: row.state,
    told: { storedBytes: Number(row.stored ?? 0), sha256: row.sha },
    artifact: row.artifact === null ? null : { id: row.artifact, sizeBytes: Number(row.size), sha256: row.artifact_sha },
    bytes: row.artifact === null
      ? row.bytes ?? Buffer.alloc(0)
      : Buffer.concat((keysOf.get(row.artifact) ?? []).map(({ key }) => readFileSync(join(folder, key))))
  }))
}

/** Objects without a row, rows without their object, and objects that are not what their row says. */
export async function checkBucket (db: pg.Client, folder: string): Promise<string[]> {
  const found: string[] = []
  const { rows } = await db.query<{ key: string, size_bytes: number, sha256: string, start_byte: string, before: string }>(`
    SELECT key, size_bytes, sha256, start_byte,
      coalesce(sum(size_bytes) OVER (PARTITION BY artifact_id ORDER BY start_byte ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM artifact_segment`)
  const objects = new Set(readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .filter(key => !key.startsWith('.')))
  for (const { key, size_bytes: size, sha256, start_byte: start, before } of rows) {
    if (start !== before) found.push(`a segment does not begin where the one before it ends: ${key} ${before}`)
    if (!objects.delete(key)) found.push(`a segment has no object: ${key}`)
    else {
      const bytes = readFileSync(join(folder, key))
      if (bytes.length !== size || sha256Of(bytes) !== sha256) found.push(`an object is not what its row says: ${key}`)
    }
  }
  for (const key of objects) found.push(`an object has no row: ${key}`)
  return found
}

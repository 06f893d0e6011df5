import type pg from 'pg'
import { budget, type World } from './world.ts'

/** What a caller was told: from then on the job must not be lost. */
export interface Acknowledged { id: string, word: string, key: string | null }

interface Known { db: pg.Pool, world: World, acknowledged: Acknowledged[] }

const final = "('succeeded', 'failed', 'cancelled', 'denied', 'expired')"

/** What may never be found at the end, each asked of the database itself: a row is a violation. */
export const queries: Record<string, string> = {
  'a job has no final state': `SELECT id, state FROM job WHERE state NOT IN ${final} OR finished_at IS NULL`,
  'a pod has no final state': `SELECT id, job_id, state, claimed_by FROM job_pod WHERE state NOT IN ${final} OR finished_at IS NULL`,
  'a job has not one end event, its last, with its state': `
    SELECT j.id, j.state, array_agg(e.seq || ' ' || (e.data->>'state')) AS ends, j.event_seq FROM job j
    LEFT JOIN job_event e ON e.job_id = j.id AND e.type = 'end'
    GROUP BY j.id HAVING count(e.seq) <> 1 OR max(e.seq) <> j.event_seq OR max(e.data->>'state') <> j.state`,
  'the numbers of events have a gap': `
    SELECT j.id, j.event_seq, count(e.seq) FROM job j LEFT JOIN job_event e ON e.job_id = j.id
    GROUP BY j.id HAVING count(e.seq) <> j.event_seq OR max(e.seq) <> j.event_seq`,
  'a pod has not ended once': `
    SELECT p.id, p.job_id, p.state, array_agg(e.data->>'state') AS ends FROM job_pod p
    LEFT JOIN job_event e ON e.job_id = p.job_id AND e.type = 'pod' AND e.data->>'id' = p.id::text AND e.data->>'state' IN ${final}
    GROUP BY p.id HAVING count(e.seq) <> 1 OR max(e.data->>'state') <> p.state`,
  'a run has not ended': 'SELECT id, job_id, attempt FROM run WHERE ended_at IS NULL',
  'an artifact is not sealed': "SELECT id, job_id FROM artifact WHERE state <> 'sealed'",
  'a lease is left of a claim': `SELECT id, state FROM job_pod WHERE lease_until IS NOT NULL AND state IN ${final}`,
  'a lease is left': 'SELECT name, holder FROM lease WHERE until > clock_timestamp()',
  'a wake-up was not relayed': 'SELECT job_id FROM outbox WHERE relayed_at IS NULL',
  'a job that waited has no row in the outbox': `
    SELECT j.id FROM job j JOIN job_event e ON e.job_id = j.id AND e.seq = 1 AND e.type = 'job' AND e.data->>'state' = 'queued'
    WHERE j.deduplicated_from IS NULL AND NOT EXISTS (SELECT FROM outbox o WHERE o.job_id = j.id)`,
  'a job still follows another': 'SELECT job_id, source_id FROM job_follower',
  'a result is not that of the job it was shared with': `
    SELECT f.id, s.id AS source, f.verdict, s.state, s.verdict AS other FROM job f LEFT JOIN job s ON s.id = f.deduplicated_from
    WHERE f.deduplicated_from IS NOT NULL AND f.state = 'succeeded' AND (s.state IS DISTINCT FROM 'succeeded'
      OR s.deduplicated_from IS NOT NULL OR f.verdict IS DISTINCT FROM s.verdict OR f.findings <> s.findings)`,
  'a run is complete, but the stored bytes are not those it says': `
    SELECT r.id FROM run r CROSS JOIN LATERAL jsonb_array_elements(r.streams) s WHERE r.completeness->>'state' = 'complete'
      AND NOT EXISTS (SELECT FROM artifact a WHERE a.run_id = r.id) AND (s->>'storedBytes')::bigint <> coalesce((
        SELECT sum(octet_length(o.bytes)) FROM run_output o WHERE o.job_id = r.job_id AND o.run_id = r.id AND o.stream = s->>'name'), 0)`
}

const groupBy = <T>(values: T[], nameOf: (value: T) => string) => Object.entries(Object.groupBy(values, nameOf)) as [string, T[]][]

/** Invariants that do not hold, in words. */
export async function findViolations ({ db, world, acknowledged }: Known): Promise<string[]> {
  const found: string[] = []
  for (const [what, query] of Object.entries(queries)) {
    const { rows } = await db.query(query)
    for (const row of rows) found.push(`${what}: ${JSON.stringify(row)}`)
  }
  const jobs = await db.query<{ id: string, word: string, retry_safe: boolean, measured: boolean }>(`
    SELECT id, params->>'word' AS word, retry_safe, deduplicated_from IS NULL AS measured FROM job`)
  const runs = await db.query<{ id: string, stdout: string }>(`
    SELECT r.id, coalesce((SELECT string_agg(convert_from(o.bytes, 'UTF8'), '' ORDER BY o.start_byte) FROM run_output o
      WHERE o.job_id = r.job_id AND o.run_id = r.id AND o.stream = 'stdout'), '') AS stdout
    FROM run r WHERE r.completeness->>'state' = 'complete'`)
  const sessions = await db.query<{ ephemeral_container: string, state: string, key: string }>(`
    SELECT ephemeral_container, state, concat_ws(' ', pod, image_digest, profile, shared_container, purpose) AS key FROM session`)

  const stored = new Set(jobs.rows.map(({ id }) => id))
  for (const { id, word } of acknowledged) if (!stored.has(id)) found.push(`an acknowledged job is not stored: ${word} ${id}`)
  for (const [key, jobsOfKey] of groupBy(acknowledged.filter(({ key }) => key), ({ key }) => key!)) {
    const { word } = jobsOfKey[0]!
    const ids = new Set([...jobsOfKey.map(({ id }) => id), ...jobs.rows.filter(job => job.word === word).map(({ id }) => id)])
    if (ids.size > 1) found.push(`one key stands for several jobs: ${key} ${[...ids].join(', ')}`)
  }

  const once = new Set(jobs.rows.filter(job => !job.retry_safe).map(({ word }) => word))
  const ofOnce = world.executions.filter(({ word }) => once.has(word))
  for (const [what, times] of groupBy(ofOnce, ({ word, podUid, tool }) => `${tool} ${word} ${podUid}`)) {
    const { length } = jobs.rows.filter(({ word, measured }) => word === times[0]!.word && measured)
    if (times.length > length) found.push(`what must not run twice was started ${times.length} times: ${what}, of ${length} jobs`)
  }
  // Time does not pass for a lease while it is moved back: what is sent in that moment is sent in time.
  for (const { runId, word, sentAt } of ofOnce) {
    const { rows: [run] } = await db.query<{ ended_at: Date | null }>('SELECT ended_at FROM run WHERE id = $1', [runId])
    if (run?.ended_at && sentAt > run.ended_at.getTime() + 10) found.push(`a tool was sent when its run had ended: ${word} ${runId}`)
  }
  for (const { id, stdout } of runs.rows) {
    const execution = world.executions.find(({ runId }) => runId === id)
    if (!execution?.proven) found.push(`a run is complete without proof: ${id}`)
    else if (execution.tool !== 'tcpdump' && execution.stdout !== stdout) found.push(`a complete run has stored another output: ${id}`)
  }

  const rowOf = new Map(sessions.rows.map(row => [row.ephemeral_container, row]))
  for (const { name: pod, ephemeral } of world.cluster.pods) {
    if (ephemeral.length > budget) found.push(`a pod has more containers than its budget: ${pod} ${ephemeral.length}`)
    const living = ephemeral.filter(({ running }) => running)
    for (const { name } of living) if (rowOf.get(name)?.state !== 'open' && rowOf.get(name)?.state !== 'opening') found.push(`a container has no session: ${pod} ${name}`)
    for (const [key, same] of groupBy(living, ({ name }) => rowOf.get(name)?.key ?? name)) {
      if (same.length > 1) found.push(`two sessions of one key live: ${key}`)
    }
  }
  return found
}

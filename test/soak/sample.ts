import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import type { Supervised } from '../faults/process.ts'
import type { Series } from './judge.ts'

const mebibyte = 1 << 20

/** What nobody owns, each as a count: partitioned tables have no foreign keys, and most of this no constraint could say. */
const ownerless: Record<string, string> = {
  'runs without a pod of a job': 'SELECT count(*) FROM run r WHERE NOT EXISTS (SELECT FROM job_pod p WHERE p.id = r.job_pod_id)',
  'outputs without a run': 'SELECT count(*) FROM run_output o WHERE NOT EXISTS (SELECT FROM run r WHERE r.id = o.run_id)',
  'events without a job': 'SELECT count(*) FROM job_event e WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = e.job_id)',
  'segments without an artifact': 'SELECT count(*) FROM artifact_segment s WHERE NOT EXISTS (SELECT FROM artifact a WHERE a.id = s.artifact_id)',
  'open runs of ended pods': "SELECT count(*) FROM run r JOIN job_pod p ON p.id = r.job_pod_id WHERE r.ended_at IS NULL AND p.finished_at < now() - interval '5 seconds'",
  'growing artifacts of ended runs': "SELECT count(*) FROM artifact a JOIN run r ON r.id = a.run_id WHERE a.state = 'growing' AND r.ended_at < now() - interval '5 seconds'",
  'leases past their end': 'SELECT count(*) FROM lease WHERE until < now()',
  'claims past their lease': "SELECT count(*) FROM job_pod WHERE state = 'running' AND lease_until < now() - interval '5 seconds'",
  'wake-ups not relayed': "SELECT count(*) FROM outbox WHERE relayed_at IS NULL AND created_at < now() - interval '5 seconds'",
  'keys without a job': 'SELECT count(*) FROM idempotency_key k WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = k.job_id)'
}

async function strayObjects (db: pg.Client, folder: string): Promise<number> {
  // Before the rows are asked: an object that lands meanwhile is not looked for.
  const keys = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1)).filter(key => !key.startsWith('.'))
  const { rows: [row] } = await db.query<{ count: string }>(`SELECT count(*) FROM unnest($1::text[]) key
    WHERE NOT EXISTS (SELECT FROM artifact_segment s WHERE s.key = key.key) AND NOT EXISTS (SELECT FROM artifact a WHERE key.key = ANY (a.pending))`, [keys])
  return Number(row!.count)
}

interface Measured { processes: Supervised[], db: pg.Client, folder: string }

/** Measures everything once more, at each call. */
export function createSampler ({ processes, db, folder }: Measured): { series: Series[], sample (): Promise<void> } {
  const series = new Map<string, Series>()
  const add = (name: string, value: number, { unit = '', share = 0, beside = 0 } = {}) => {
    if (!series.has(name)) series.set(name, { name, unit, values: [], share, beside })
    series.get(name)!.values.push(value)
  }
  const count = async (query: string) => Number((await db.query<{ count: string }>(query)).rows[0]!.count)

  return {
    get series () { return [...series.values()] },
    async sample () {
      for (const { name, service } of processes) {
        if (!service) throw new Error(`Cannot measure ${name}: it is down`)
        add(`${name}: resident memory`, service.rss() / mebibyte, { unit: 'MiB', share: 0.15, beside: 24 })
        add(`${name}: open handles`, readdirSync(`/proc/${service.child.pid}/fd`).length, { share: 0.1, beside: 8 })
      }
      add('connections to Postgres', await count('SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()'), { beside: 2 })
      add('partitions', await count('SELECT count(*) FROM pg_inherits'))
      for (const [name, query] of Object.entries(ownerless)) add(name, await count(query))
      add('objects without a row', await strayObjects(db, folder))
    }
  }
}

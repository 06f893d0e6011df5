import type pg from 'pg'
import t from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { partitionedTables } from '../../src/storage/partitions.ts'
import { draftJob } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'

const { openDatabase } = await startPostgres(t)
const database = await openDatabase(t)
const db = await connect(t, database.url)

const monthMs = 31 * 24 * 3600 * 1000
const idAt = (time: Date | number) => uuidv7({ msecs: Number(time) })
const monthOf = (now: Date, ahead: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead))
const nameOf = (table: string, month: Date) => `${table}_${month.toISOString().slice(0, 7).replace('-', '_')}`

async function childrenOf (db: pg.Client, table: string): Promise<string[]> {
  const { rows } = await db.query('SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1', [table])
  return rows.map(({ name }) => name)
}

const addEvent = (id: string) => db.query('INSERT INTO job_event (job_id, seq, type, data) VALUES ($1, 1, \'job\', \'{}\')', [id])
const placeOf = async (id: string) => (await db.query('SELECT tableoid::regclass::text AS place FROM job_event WHERE job_id = $1', [id])).rows[0]?.place

t.test('each append-only table has the months from the last one to 3 ahead', async t => {
  const now = new Date((await db.query('SELECT now() AS now')).rows[0].now)
  for (const table of partitionedTables) {
    t.strictSame(await childrenOf(db, table), [-1, 0, 1, 2, 3].map(ahead => `part.${nameOf(table, monthOf(now, ahead))}`))
  }
})

t.test('a month begins and ends with the first millisecond of UTC', async t => {
  const month = monthOf(new Date(), 1)
  const [last, first] = [idAt(Number(month) - 1), idAt(month)]
  await Promise.all([last, first].map(addEvent))
  t.equal(await placeOf(last), `part.${nameOf('job_event', monthOf(new Date(), 0))}`)
  t.equal(await placeOf(first), `part.${nameOf('job_event', month)}`)
})

t.test('ids outside of the months there are, or of another kind, fail loudly', async t => {
  for (const id of [idAt(Date.now() + 6 * monthMs), idAt(Date.now() - 3 * monthMs), 'f47ac10b-58cc-4372-a567-0e02b2c3d479']) {
    await t.rejects(addEvent(id), { code: '23514' }, id)
  }
  const draft = draftJob({ id: idAt(Date.now() + 6 * monthMs) })
  await t.rejects(database.jobs.create(draft), { code: '23514' })
  t.equal(await database.jobs.find(draft.id), null, 'and nothing of the job is stored')
})

t.test('a look-up by id touches one month', async t => {
  const id = idAt(Date.now())
  for (const [table, key] of [['job_event', 'job_id'], ['run_output', 'job_id'], ['audit_event', 'id']] as const) {
    const { rows } = await db.query(`EXPLAIN SELECT * FROM ${table} WHERE ${key} = '${id}'`)
    const plan = rows.map(row => row['QUERY PLAN']).join('\n')
    t.strictSame([...new Set(plan.match(/\b\w+_\d{4}_\d{2}\b/g))], [nameOf(table, new Date())], plan)
  }
})

t.test('partitions have the checks and keys of their table', async t => {
  const { job } = await database.jobs.create(draftJob())
  await t.rejects(db.query('INSERT INTO run_output VALUES ($1, $1, \'stdin\', 0, \'x\')', [job.id]), { code: '23514', constraint: 'run_output_stream_check' })
  await t.rejects(db.query('INSERT INTO run_output VALUES ($1, $1, \'stdout\', 0, \'\')', [job.id]), { code: '23514', constraint: 'run_output_bytes_check' })
  await t.rejects(addEvent(job.id), { code: '23505' })
})

t.test('the first sweep of a process makes months that are missing', async t => {
  const missing = nameOf('audit_event', monthOf(new Date(), 3))
  await db.query(`DROP TABLE part.${missing}`)
  await database.jobs.sweep()
  t.ok((await childrenOf(db, 'audit_event')).includes(`part.${missing}`))
})

t.test('migrate makes months that are missing although no migration is', async t => {
  const missing = nameOf('run_output', monthOf(new Date(), 2))
  await db.query(`DROP TABLE part.${missing}`)
  await openDatabase(t, { url: database.url })
  t.ok((await childrenOf(db, 'run_output')).includes(`part.${missing}`))
})

t.test('months are made while somebody writes and somebody reads', async t => {
  const [writer, reader] = [await connect(t, database.url), await connect(t, database.url)]
  await writer.query('BEGIN')
  await writer.query('INSERT INTO job_event (job_id, seq, type, data) VALUES ($1, 1, \'job\', \'{}\')', [idAt(Date.now())])
  await reader.query('BEGIN; SELECT count(*) FROM job_event')
  const ahead = await db.query('SET statement_timeout = \'10s\'; SELECT ensure_partitions(\'job_event\', 5) AS made')
  t.strictSame((ahead as unknown as pg.QueryResult[])[1]?.rows, [{ made: 2 }])
  await Promise.all([writer.query('COMMIT'), reader.query('COMMIT')])
})

t.test('months of a year ahead are made on the last day of a month too', async t => {
  await db.query('BEGIN')
  await db.query('SELECT ensure_partitions(\'audit_event\', 2, \'2031-12-31T23:59:59.999Z\')')
  const names = (await childrenOf(db, 'audit_event')).filter(name => name.includes('_203'))
  await db.query('ROLLBACK')
  t.strictSame(names, ['2031_11', '2031_12', '2032_01', '2032_02'].map(month => `part.audit_event_${month}`))
})

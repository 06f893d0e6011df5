import t from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { createDatabase } from '../../src/storage/database.ts'
import { principalOf } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const { emptyDatabase, openDatabase } = await startPostgres(t)

t.test('audit events are stored as they are said, in the order of their ids', async t => {
  const { audit, url } = await openDatabase(t)
  const db = await connect(t, url)
  const principal = principalOf('ada', 'portal')
  const launch = { action: 'launch', outcome: 'allowed' as const, principal, namespace: 'shop', object: 'job x', code: null, detail: { reason: 'INC-1' } }
  const refusal = {
    action: 'read', outcome: 'denied' as const, principal: null, namespace: null, object: '/v1/jobs/\u0000\ud800', code: 'EPH_FORBIDDEN', detail: { message: 'No\u0000' }
  }
  await audit.record(launch)
  await audit.record(refusal)
  const { rows } = await db.query('SELECT action, outcome, username, principal, namespace, object, code, detail FROM audit_event ORDER BY id')
  t.strictSame(rows, [
    { ...launch, username: 'ada' },
    { ...refusal, username: null, object: '/v1/jobs/\ufffd\ufffd', detail: { message: 'No\ufffd' } }
  ])
})

t.test('audit events are stored beside each other, each once', async t => {
  const { audit, url } = await openDatabase(t)
  const events = Array.from({ length: 100 }, (_, nth) =>
    ({ action: 'read', outcome: 'allowed' as const, principal: principalOf(`u-${nth}`), namespace: null, object: 'x', code: null, detail: {} }))
  await Promise.all(events.map(event => audit.record(event)))
  const { rows } = await (await connect(t, url)).query('SELECT count(DISTINCT username)::integer AS users, count(*)::integer AS all FROM audit_event')
  t.strictSame(rows, [{ users: 100, all: 100 }])
})

t.test('audit events are in the order in which they came, whatever the clocks of those who record them', async t => {
  const { url } = await openDatabase(t)
  const db = await connect(t, url)
  for (let nth = 0; nth < 40; nth++) {
    const id = uuidv7({ msecs: Date.now() + (nth % 2 === 0 ? 600_000 : -600_000) })
    await db.query('SELECT record_audit($1)', [{ id, action: 'read', outcome: 'allowed', object: `${nth}`, detail: {} }])
  }
  const { rows } = await db.query('SELECT id, object, at FROM audit_event ORDER BY id')
  t.same(rows.map(({ object }) => object), Array.from({ length: 40 }, (_, nth) => `${nth}`))
  for (const { id, at } of rows) {
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    t.ok(Math.abs(parseInt(id.replace('-', '').slice(0, 12), 16) - at.getTime()) < 1000)
  }
})

t.test('a database uses no more connections than it may, and leaves none behind', async t => {
  const url = await emptyDatabase()
  const db = await connect(t, url)
  const connections = async () => (await db.query('SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')).rowCount
  const database = await createDatabase({ url, connections: 3 })
  await Promise.all(Array.from({ length: 30 }, () => database.check()))
  await Promise.all(Array.from({ length: 30 }, () => database.jobs.list({ namespaces: null }, { limit: 1, after: null })))
  const used = await connections()
  t.ok(used && used <= 4, `${used} beside the one that looks`) // one listens
  await database.close()
  await until(async () => await connections() === 0)
  await t.rejects(database.check(), { code: 'EPH_DATABASE_UNAVAILABLE' })
  await t.rejects(database.jobs.list({ namespaces: null }, { limit: 1, after: null }), { code: 'EPH_DATABASE_UNAVAILABLE' })
})

t.test('createDatabase leaves no connection behind where it fails', async t => {
  const url = await emptyDatabase()
  const db = await connect(t, url)
  const name = new URL(url).pathname.slice(1)
  await db.query(`ALTER DATABASE ${name} SET timezone = 'Asia/Kathmandu'`)
  await t.rejects(createDatabase({ url: `${url}&application_name=pooler`, directUrl: url }), { message: /time zone "Asia\/Kathmandu"/ })
  const others = 'SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
  await until(async () => (await db.query(others)).rowCount === 0)
})

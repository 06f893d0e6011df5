import t from 'tap'
import { openPostgres } from '../../src/storage/postgres.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { until } from '../support/until.ts'

const { emptyDatabase } = await startPostgres(t)
const url = await emptyDatabase()
const db = openPostgres({ url, pooled: false, connections: 3 })
t.teardown(() => db.pool.end())
const look = await connect(t, url)
await look.query('CREATE TABLE word (word text PRIMARY KEY)')
const words = async () => (await look.query('SELECT word FROM word ORDER BY 1')).rows.map(({ word }) => word)

// The longest wait goes on while the other tests run: a row that somebody has locked until the end.
const locked = await connect(t, url)
await look.query('INSERT INTO word VALUES (\'locked\')')
await locked.query('BEGIN; DELETE FROM word WHERE word = \'locked\'')
const givenUp = t.rejects(db.rows('UPDATE word SET word = \'too late\' WHERE word = \'locked\''), { code: '57014' })

t.test('a transaction is carried out whole, or not at all', async t => {
  t.equal(await db.transaction(async tx => {
    await tx.rows('INSERT INTO word VALUES ($1)', ['one'])
    await tx.rows('INSERT INTO word VALUES ($1)', ['two'])
    t.strictSame(await words(), ['locked'], 'nobody else sees it yet')
    return 'answer'
  }), 'answer')
  t.strictSame(await words(), ['locked', 'one', 'two'])
  const failing = db.transaction(async tx => {
    await tx.rows('INSERT INTO word VALUES ($1)', ['three'])
    await tx.rows('INSERT INTO word VALUES ($1)', ['one'])
  })
  await t.rejects(failing, { code: '23505' })
  await t.rejects(db.transaction(async tx => {
    await tx.rows('INSERT INTO word VALUES ($1)', ['four'])
    throw new Error('No')
  }), { message: 'No' })
  t.strictSame(await words(), ['locked', 'one', 'two'])
})

t.test('connections are given back, also after failures', async t => {
  for (let nth = 0; nth < 10; nth++) await t.rejects(db.transaction(tx => tx.rows('SELECT nothing')), { code: '42703' })
  await Promise.all(Array.from({ length: 20 }, () => db.transaction(tx => tx.rows('SELECT 1'))))
  t.ok(db.pool.totalCount <= 3)
  t.strictSame(await db.rows('SELECT pg_current_xact_id_if_assigned() AS open'), [{ open: null }])
})

t.test('statements are prepared by name once for each connection, and never behind a pooler', async t => {
  for (const pooled of [false, true]) {
    const { pool, rows, transaction } = openPostgres({ url, pooled, connections: 1 })
    for (let nth = 0; nth < 3; nth++) await rows('SELECT $1::integer', [nth])
    await transaction(tx => tx.rows('SELECT $1::text', ['x']))
    const prepared = await rows<{ statement: string }>('SELECT statement FROM pg_prepared_statements WHERE statement NOT LIKE \'%prepared%\' ORDER BY 1')
    t.strictSame(prepared.map(({ statement }) => statement), pooled ? [] : ['SELECT $1::integer', 'SELECT $1::text'])
    await pool.end()
  }
})

t.test('a connection that is lost between two queries of a transaction fails that one alone', async t => {
  const cut = db.transaction(async tx => {
    const [row] = await tx.rows<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    await tx.rows('INSERT INTO word VALUES (\'lost\')')
    await look.query('SELECT pg_terminate_backend($1)', [row?.pid])
    await until(async () => (await look.query('SELECT FROM pg_stat_activity WHERE pid = $1', [row?.pid])).rowCount === 0)
    await tx.rows('SELECT 1')
  })
  await t.rejects(cut)
  t.notOk((await words()).includes('lost'))
  await db.transaction(tx => tx.rows('SELECT 1'))
})

t.test('a probe of all connections gives up all that are half open, so that the next one meets a new one', async t => {
  const through = new URL(await startPostgresServer(t, '127.0.0.1'))
  const proxy = await createFaultProxy(t, { host: through.hostname, port: Number(through.port) })
  through.port = `${proxy.port}`
  const { pool, rows, probe } = openPostgres({ url: through.href, pooled: false, connections: 4 })
  t.teardown(() => pool.end())
  await Promise.all(Array.from({ length: 4 }, () => rows('SELECT pg_sleep(0.1)')))
  t.equal(pool.totalCount, 4)
  proxy.blackhole()
  proxy.heal()
  await t.rejects(probe('SELECT 1', 300, true))
  t.equal(pool.totalCount, 0)
  t.same(await probe('SELECT 1 AS one', 300, true), [{ one: 1 }])
  proxy.cut()
})

t.test('what nobody waits for any more is not carried out later', async t => {
  await givenUp
  await locked.query('ROLLBACK')
  t.ok((await words()).includes('locked'))
  t.notOk((await words()).includes('too late'))
})

import { createHash, randomUUID } from 'node:crypto'
import type pg from 'pg'
import t from 'tap'
import { migrate, readMigrations, type Migration } from '../../src/storage/migrate.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const { emptyDatabase } = await startPostgres(t)
const ours = readMigrations()
const names = ours.map(({ name }) => name)
const migration = (name: string, sql: string): Migration => ({ name, sql, checksum: createHash('sha256').update(sql).digest('hex') })

const rowsOf = async (db: pg.Client, text: string, values: unknown[] = []) => (await db.query(text, values)).rows
const applied = (db: pg.Client) => rowsOf(db, 'SELECT migration_name AS name, finished_at IS NOT NULL AS done FROM _prisma_migrations ORDER BY 1')
const tableExists = async (db: pg.Client, name: string) => (await rowsOf(db, 'SELECT to_regclass($1) AS found', [name]))[0].found !== null

/** As `prisma migrate deploy` makes it. */
const prismaTable = `CREATE TABLE "_prisma_migrations" ("id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ, "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT, "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`

const prismaRow = (db: pg.Client, { name, checksum }: Migration, finished: boolean, rolledBack = false) => db.query(`
  INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at, applied_steps_count)
  VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END, CASE WHEN $5 THEN now() END, CASE WHEN $4 THEN 1 ELSE 0 END)`,
[randomUUID(), checksum, name, finished, rolledBack])

t.test('migrate gives an empty database everything, and then nothing more', async t => {
  const url = await emptyDatabase()
  t.strictSame(await migrate(url), names)
  const db = await connect(t, url)
  t.ok(await tableExists(db, 'job'))
  t.strictSame(await rowsOf(db, 'SELECT ensure_partitions(\'job_event\') AS made'), [{ made: 0 }])
  t.strictSame(await migrate(url), [])
  t.strictSame(await applied(db), names.map(name => ({ name, done: true })))
})

t.test('migrate applies each migration once when many begin together', async t => {
  const url = await emptyDatabase()
  const all = await Promise.all(Array.from({ length: 5 }, () => migrate(url)))
  t.strictSame(all.flat(), names)
})

t.test('migrate refuses a migration that was edited after it was applied', async t => {
  const url = await emptyDatabase()
  await migrate(url)
  const [first, ...rest] = ours
  const edited = migration(first!.name, `${first!.sql}\nCREATE TABLE edited ();`)
  await t.rejects(migrate(url, [edited, ...rest]), { message: `Cannot migrate: "${first!.name}" was edited after it was applied` })
  t.notOk(await tableExists(await connect(t, url), 'edited'))
})

t.test('migrate leaves nothing of a migration that fails, and says which', async t => {
  const url = await emptyDatabase()
  const name = '20270101000000_half'
  const bad = migration(name, 'CREATE TABLE half (id integer); INSERT INTO half VALUES (1); SELECT * FROM nowhere')
  await t.rejects(migrate(url, [...ours, bad]), { message: `Cannot migrate: "${name}" failed`, cause: { code: '42P01' } })
  const db = await connect(t, url)
  t.notOk(await tableExists(db, 'half'))
  t.strictSame(await applied(db), names.map(name => ({ name, done: true })))
  t.strictSame(await migrate(url, [...ours, migration(name, 'CREATE TABLE half (id integer)')]), [name])
})

t.test('migrate refuses, in words, an older schema that its role may not change, and takes an equal or a later one', async t => {
  const url = await emptyDatabase()
  const db = await connect(t, url)
  await db.query("CREATE ROLE guest LOGIN PASSWORD 'guest'")
  const limited = Object.assign(new URL(url), { username: 'guest', password: 'guest' }).href
  await t.rejects(migrate(limited), { message: /^Cannot use the database: it has no schema yet, and this role may not change the schema/ })

  const later = migration('20270101000000_later', 'ALTER TABLE job ADD COLUMN later integer')
  await migrate(url)
  await db.query('GRANT USAGE ON SCHEMA part TO guest; GRANT SELECT ON _prisma_migrations TO guest')
  t.strictSame(await migrate(limited), [])
  const refusal = new RegExp(`^Cannot use the database: its schema is older than the service, and lacks "${later.name}", .* as the role that owns it`)
  await t.rejects(migrate(limited, [...ours, later]), { message: refusal, cause: { code: '42501' } })
  t.strictSame(await migrate(url, [...ours, later]), [later.name])
  for (const address of [limited, url]) t.strictSame(await migrate(address), [], 'the code before it')
})

t.test('migrate leaves nothing of a migration that is killed in the middle', async t => {
  const url = await emptyDatabase()
  const name = '20270101000000_long'
  const db = await connect(t, url)
  const under = migrate(url, [...ours, migration(name, 'CREATE TABLE half (id integer); SELECT pg_sleep(60)')])
  under.catch(() => {})
  await until(async () => (await rowsOf(db, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'ephemera-migrate' AND datname = current_database() AND wait_event = 'PgSleep'`)).length > 0)
  await t.rejects(under, { code: 'EPH_DATABASE_UNAVAILABLE' })
  t.notOk(await tableExists(db, 'half'))
  t.strictSame(await migrate(url, [...ours, migration(name, 'CREATE TABLE half (id integer)')]), [name])
})

t.test('migrate keeps the table of prisma migrate deploy as that does', async t => {
  const [one, other] = [await emptyDatabase(), await emptyDatabase()]
  await migrate(one)
  const columns = `SELECT column_name, data_type, character_maximum_length, is_nullable, column_default FROM information_schema.columns
    WHERE table_name = '_prisma_migrations' ORDER BY ordinal_position`
  const prisma = await connect(t, other)
  await prisma.query(prismaTable)
  const db = await connect(t, one)
  t.strictSame(await rowsOf(db, columns), await rowsOf(prisma, columns))
  t.match(await rowsOf(db, 'SELECT checksum, logs, rolled_back_at, applied_steps_count AS steps FROM _prisma_migrations ORDER BY migration_name'),
    ours.map(({ checksum }) => ({ checksum, logs: null, rolled_back_at: null, steps: 1 })))
})

t.test('migrate believes what prisma migrate deploy has written', async t => {
  const url = await emptyDatabase()
  const db = await connect(t, url)
  await db.query(prismaTable)
  for (const each of ours) {
    await db.query(each.sql)
    await prismaRow(db, each, true)
  }
  t.strictSame(await migrate(url), [])

  const later = migration('20270101000000_later', 'CREATE TABLE later (id integer)')
  await prismaRow(db, later, false)
  await t.rejects(migrate(url, [...ours, later]), { message: /^Cannot migrate: "20270101000000_later" failed before/ })
  await db.query('UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL')
  t.strictSame(await migrate(url, [...ours, later]), [later.name])
})

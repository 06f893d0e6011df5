import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { databaseProblem } from './database-problem.ts'
import { demandDirect, pooledOr } from './demand-direct.ts'
import { ensurePartitions } from './partitions.ts'

/** The lock and the table of `prisma migrate deploy`, so that either may be used. */
const prismaLock = 72707369
const migrationTable = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL,
  logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`

export const migrationsFolder = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

export interface Migration { name: string, sql: string, checksum: string }

export function readMigrations (folder: string = migrationsFolder): Migration[] {
  const names = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => name).sort()
  return names.map(name => {
    const sql = readFileSync(join(folder, name, 'migration.sql'), 'utf8')
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

async function apply (db: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  const id = randomUUID()
  // One simple query is one message: a process or a server killed in the middle leaves all of it or nothing.
  await db.query(`BEGIN;
INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at)
  VALUES ('${id}', '${checksum}', ${pg.escapeLiteral(name)}, clock_timestamp());
${sql}
;UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1 WHERE id = '${id}'; COMMIT`)
}

/** Of a role that may not change the schema. */
const insufficientPrivilege = '42501'

/** What it refuses with: in words, since nothing but another role will help. */
function withoutRight (error: unknown, missing: string): unknown {
  if ((error as { code?: unknown }).code !== insufficientPrivilege) return error
  return new Error(`Cannot use the database: ${missing}, and this role may not change the schema; ` +
    'start the service once as the role that owns it, or run "prisma migrate deploy" as that role', { cause: error })
}

/**
 * Brings the database up to the migrations and makes the partitions of the months ahead; answers the names of those applied now. Migrations
 * of a later version are left alone: each keeps the code before it working, so that two versions can run side by side.
 * Needs a direct connection: advisory locks do not outlive a transaction behind a pooler. Replicas that start together wait for each other.
 */
export async function migrate (directUrl: string, migrations: Migration[] = readMigrations()): Promise<string[]> {
  const db = new pg.Client({
    connectionString: directUrl,
    connectionTimeoutMillis: 10_000,
    application_name: 'ephemera-migrate',
    // A migration may take longer than the statements that a role's setting is meant for.
    options: '-c TimeZone=UTC -c statement_timeout=0'
  })
  db.on('error', () => {}) // the query under way reports it
  try {
    await db.connect().catch((error: unknown) => { throw pooledOr(error) })
    await demandDirect(db)
    await db.query('SELECT pg_advisory_lock($1)', [prismaLock])
    // From here on, nobody who holds a lock on a table for long shall block everybody behind us.
    await db.query("SET lock_timeout = '5s'")
    const { rows: [table] } = await db.query<{ there: boolean }>('SELECT to_regclass(\'_prisma_migrations\') IS NOT NULL AS there')
    if (!table?.there) await db.query(migrationTable).catch((error: unknown) => { throw withoutRight(error, 'it has no schema yet') })
    const { rows } = await db.query<{ migration_name: string, checksum: string, finished_at: Date | null }>(
      'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL')
    const known = new Map(rows.map(row => [row.migration_name, row]))
    const applied: string[] = []
    for (const migration of migrations) {
      const before = known.get(migration.name)
      if (before && before.checksum !== migration.checksum) throw new Error(`Cannot migrate: "${migration.name}" was edited after it was applied`)
      if (before && !before.finished_at) throw new Error(`Cannot migrate: "${migration.name}" failed before; see prisma migrate resolve`)
      if (before) continue
      await apply(db, migration).catch((cause: unknown) => {
        const refusal = withoutRight(cause, `its schema is older than the service, and lacks "${migration.name}"`)
        throw refusal === cause ? new Error(`Cannot migrate: "${migration.name}" failed`, { cause }) : refusal
      })
      applied.push(migration.name)
    }
    await ensurePartitions(db)
    return applied
  } catch (error) {
    throw databaseProblem(error)
  } finally {
    await db.end().catch(() => {}) // a connection that is lost needs no goodbye
  }
}

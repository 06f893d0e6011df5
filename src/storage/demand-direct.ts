import type pg from 'pg'

/** Without its cause: that a pooler refuses a start-up parameter has a code of lost connections. */
const pooled = (): Error => new Error('Cannot migrate: a pooler answers in place of Postgres, and has neither advisory locks nor LISTEN; ' +
  'set DATABASE_DIRECT_URL to the address of the server itself')

/** What a connection failed with; PgBouncer has no room for settings among the start-up parameters. */
export const pooledOr = (error: unknown): unknown =>
  error instanceof Error && /unsupported startup parameter/.test(error.message) ? pooled() : error

/** Rejects where a pooler stands between: the process it names to its client is none of the server's. */
export async function demandDirect (db: pg.Client): Promise<void> {
  const named = 'processID' in db ? db.processID : null // known to pg, though not to its types
  const { rows: [row] } = await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  if (row?.pid !== named) throw pooled()
}

import pg from 'pg'
import { isAway } from './database-problem.ts'

export interface PostgresOptions {
  url: string
  /** Behind a pooler such as PgBouncer: no start-up parameters may be sent, the role must have the time zone UTC. */
  pooled: boolean
  /** Connections of this process at the most. */
  connections: number
}

export interface Querier {
  rows<R> (text: string, values?: unknown[]): Promise<R[]>
}

export interface Postgres extends Querier {
  pool: pg.Pool
  transaction<T> (work: (tx: Querier) => Promise<T>): Promise<T>
  /**
   * Asks one connection; `all`: each that there is, for who answers first, since after an outage any of them may be half open. Those that
   * are silent for `timeoutMs` are given up.
   */
  probe<R> (text: string, timeoutMs: number, all: boolean): Promise<R[]>
}

const connectTimeoutMs = 5000
/** A connection that answers nothing for so long is given up: it may be half open. */
const queryTimeoutMs = 15_000
/** Before that the server gives a statement up itself: what nobody waits for any more must not be carried out later. */
const statementTimeoutMs = 14_000

const settings = {
  // The Prisma adapter ignores time zones: without UTC, times would silently be shifted.
  TimeZone: 'UTC',
  statement_timeout: statementTimeoutMs,
  idle_in_transaction_session_timeout: 30_000,
  // Plans are kept, and may have been made while a table was nearly empty: where there is an index, no table is read as a whole.
  enable_seqscan: 'off'
}

/** A new connection plans every statement and function anew, which the first callers after a quiet time would feel. */
const idleMs = 30 * 60_000

const names = new Map<string, string>()

/** Statements of this process by a name each, so that a connection parses and plans each of them once. There are only some dozens. */
function nameOf (text: string): string {
  let name = names.get(text)
  if (name === undefined) names.set(text, name = `ephemera_${names.size}`)
  return name
}

const querier = (client: pg.Pool | pg.PoolClient, pooled: boolean): Querier => ({
  // The caller states the shape of its own query's rows; nothing checks it but the tests. Behind a pooler the next statement may meet
  // another server connection, which knows no names.
  async rows<R> (text: string, values: unknown[] = []) {
    const { rows } = await client.query({ text, values, ...(pooled ? {} : { name: nameOf(text) }) })
    return rows as R[]
  }
})

export function openPostgres ({ url, pooled, connections }: PostgresOptions): Postgres {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    idleTimeoutMillis: idleMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: 'ephemera',
    ...(pooled ? {} : { options: Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`).join(' ') })
  })
  // An idle connection that dies is replaced by the pool at the next query, which reports what is wrong.
  pool.on('error', () => {})

  async function transaction<T> (work: (tx: Querier) => Promise<T>): Promise<T> {
    const client = await pool.connect()
    let broken: Error | undefined
    // Lost between two queries, it tells only this: without a listener that would end the process.
    const lost = (error: Error) => { broken = error }
    client.on('error', lost)
    try {
      await client.query('BEGIN')
      const result = await work(querier(client, pooled))
      await client.query('COMMIT')
      return result
    } catch (error) {
      // A connection that does not answer would be waited for once more.
      if (isAway(error)) broken ??= error as Error
      else await client.query('ROLLBACK').catch(lost)
      throw error
    } finally {
      client.off('error', lost)
      client.release(broken)
    }
  }

  async function probe<R> (text: string, timeoutMs: number, all: boolean): Promise<R[]> {
    const width = all ? Math.max(1, pool.totalCount) : 1
    const asked = { text, query_timeout: timeoutMs } // known to pg, though not to its types
    const { rows } = await Promise.any(Array.from({ length: width }, () => pool.query(asked)))
    return rows as R[]
  }

  return { pool, transaction, probe, ...querier(pool, pooled) }
}

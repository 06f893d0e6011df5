import pg from 'pg'
import type { startPostgres } from '../support/postgres.ts'
import { runSchedule, type Ground, type Outcome } from './run-schedule.ts'
import { mutate, type Safeguard } from './safeguards.ts'

/** Closes what was opened, the last first. */
export interface Closing { teardown (close: () => unknown): void }

export interface ExploreOptions {
  seeds: Iterable<number>
  /** Schedules at the same time, each on a database of its own. */
  lanes?: number
  patienceSeconds?: number
  without?: Safeguard
  /** Called after each schedule; true: no other is begun. */
  done (outcome: Outcome): boolean
}

type Server = Awaited<ReturnType<typeof startPostgres>>

const tables = 'job, session, idempotency_key, outbox, lease, run_output, job_event, audit_event'.split(', ')

async function openGround (t: Closing, server: Server, { without, patienceSeconds = 30 }: ExploreOptions): Promise<Ground> {
  const url = await server.emptyDatabase()
  const options = { url, connections: 4 }
  const first = await server.openDatabase(t, options)
  const second = await server.openDatabase(t, options)
  const db = new pg.Pool({ connectionString: url, max: 3 })
  db.on('error', () => {}) // the server may end before an idle connection has closed
  t.teardown(() => db.end())
  if (without) await mutate(db, without)
  const strip = without?.withoutStore ?? (database => database)
  return {
    databases: [strip(first), strip(second)],
    db,
    patienceSeconds,
    without: without?.without ?? (context => context),
    provoke: without?.provoke ?? (schedule => schedule)
  }
}

/** Runs schedules one after another in each lane, until the seeds are used up or somebody has seen enough. */
export async function explore (t: Closing, server: Server, options: ExploreOptions): Promise<void> {
  const seeds = options.seeds[Symbol.iterator]()
  let enough = false
  await Promise.all(Array.from({ length: options.lanes ?? 1 }, async () => {
    const ground = await openGround(t, server, options)
    for (let next = seeds.next(); !next.done && !enough; next = seeds.next()) {
      const outcome = await runSchedule(next.value, ground)
      if (options.done(outcome)) enough = true
      for (const table of tables) await ground.db.query(`DELETE FROM ${table}`)
    }
  }))
}

export function * seedsFrom (first: number, count: number): Generator<number> {
  for (let nth = 0; nth < count; nth++) yield first + nth
}

import type pg from 'pg'
import type { Database, SessionDraft } from '#core/ports/storage.ts'
import type { Session } from '#core/session.ts'
import type { Context } from '#jobs/context.ts'
import type { Fate, Schedule } from './schedule.ts'

/** What keeps a promise of ours, and how it is taken away: at a seam, or in the SQL of one database. */
export interface Safeguard {
  /** What is found without it: the begin of a violation's words. */
  finds: RegExp
  /** Functions of the database: what stands there, and what instead. */
  sql?: Record<string, [string, string]>
  /** At the ports of each process. */
  without?: (context: Context) => Context
  /** At the stores, for those who sweep past the processes too. */
  withoutStore?: (database: Database) => Database
  /** What a drawn schedule lacks mostly: without it this safeguard is hardly ever called on. */
  provoke?: (schedule: Schedule) => Schedule
}

const sessionOf = ({ pod, sharedContainer, ...draft }: SessionDraft): Session => ({
  ...draft,
  namespace: pod.namespace,
  pod: pod.name,
  podUid: pod.uid,
  node: pod.node,
  targetContainer: sharedContainer,
  state: 'opening',
  openedAt: '',
  lastUsedAt: '',
  usedBy: [],
  runCount: 0,
  closedAt: null,
  closedReason: null
})

/** The container first, then its row. */
function rowLast (context: Context): Context {
  const { database: { sessions }, injector } = context
  const drafts = new Map<string, SessionDraft>()
  return {
    ...context,
    database: {
      ...context.database,
      sessions: {
        ...sessions,
        async open (draft) {
          drafts.set(draft.ephemeralContainer, draft)
          return sessionOf(draft)
        }
      }
    },
    injector: {
      ...injector,
      async inject (pod, container, signal) {
        await injector.inject(pod, container, signal)
        const draft = drafts.get(container.name)
        if (draft) await sessions.open(draft)
      }
    }
  }
}

/** Only who was rung looks for work, once for each ring. */
function ringAlone (context: Context): Context {
  const { database, wake } = context
  let rung = 0
  return {
    ...context,
    wake: { ...wake, listen: heard => wake.listen(() => { rung++; heard() }) },
    database: {
      ...database,
      jobs: {
        ...database.jobs,
        async claim (...args) {
          if (rung === 0) return []
          rung--
          return await database.jobs.claim(...args)
        }
      }
    }
  }
}

/** The first worker is struck with something at hand that must not be run twice, and that nobody takes back. */
const strikeOnce = (fate: Pick<Fate, 'kind' | 'call'>) => ({ jobs, workers: [, ...others], ...rest }: Schedule): Schedule => ({
  ...rest,
  jobs: jobs.map(job => ({ ...job, diagnostic: 'once', cancelAfterMs: null, expires: false })),
  workers: [{ ...fate, step: 1, carriedOut: true }, ...others]
})

export const safeguards: Record<string, Safeguard> = {
  fence: {
    finds: /^a (?:job has not one end event|pod has not ended once)/,
    sql: { end_pod: [" AND p.attempt = held_attempt AND p.claimed_by = worker AND p.state = 'running'", ''] }
  },
  outbox: {
    finds: /^a job that waited has no row in the outbox/,
    sql: { create_job: ['INSERT INTO outbox (job_id) SELECT made.id WHERE made.state = \'queued\' AND source.id IS NULL;', ''] }
  },
  'looking for work without a ring': { finds: /^a job has no final state/, without: ringAlone },
  sweep: { finds: /^a job has no final state/, withoutStore: database => ({ ...database, jobs: { ...database.jobs, sweep: async () => 0 } }) },
  started: {
    finds: /^what must not run twice was started/,
    sql: { abandon_runs: ['RETURN EXISTS (', 'RETURN false AND EXISTS ('] },
    provoke: strikeOnce({ kind: 'crash', call: 'runs.started' })
  },
  hold: {
    finds: /^a tool was sent when its run had ended/,
    without: context => ({ ...context, now: () => 0 }),
    provoke: strikeOnce({ kind: 'freeze', call: 'runs.start' })
  },
  'session row first': { finds: /^(?:a container has no session|two sessions of one key live)/, without: rowLast }
}

/** Takes a safeguard out of the functions of a database; refuses where it does not stand there. */
export async function mutate (db: pg.Pool | pg.Client, { sql = {} }: Safeguard): Promise<void> {
  for (const [name, [from, to]] of Object.entries(sql)) {
    const { rows: [row] } = await db.query<{ definition: string }>('SELECT pg_get_functiondef($1::regproc) AS definition', [name])
    if (!row?.definition.includes(from)) throw new Error(`Cannot take a safeguard out of ${name}(): it does not say "${from}"`)
    await db.query(row.definition.replace(from, () => to))
  }
}

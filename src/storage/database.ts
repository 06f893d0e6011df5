import { createBreaker } from '#core/breaker.ts'
import type { AuditEvent, Database } from '#core/ports/storage.ts'
import { createArtifactStore } from './artifact-store.ts'
import { auditRow } from './create-job.ts'
import { databaseProblem, guard, isAway, onlyReads } from './database-problem.ts'
import { createJobChanges } from './job-changes.ts'
import type { Limits } from './job-claims.ts'
import { createJobStore } from './job-store.ts'
import { toJsonText } from './json-text.ts'
import { createLeaseStore } from './lease-store.ts'
import { migrate } from './migrate.ts'
import { createNotifications, type Notifications } from './notifications.ts'
import { openPostgres } from './postgres.ts'
import { createPrisma } from './prisma.ts'
import { createRunStore } from './run-store.ts'
import { createSessionStore } from './session-store.ts'

export interface DatabaseOptions {
  url: string
  /** Past the pooler, for LISTEN, advisory locks and migrations. Where it differs from `url`, `url` is taken for a pooler's. */
  directUrl?: string
  /** Name of the cluster that jobs show. */
  cluster?: string
  limits?: Partial<Limits>
  /** How long a claim is held without being renewed. */
  leaseSeconds?: number
  /** Connections of this process at the most, beside the one that listens. */
  connections?: number
  /** Called with the reason when the database is taken for away, and with null when it answers again. */
  changed?: ((why: unknown) => void) | undefined
}

export interface PostgresDatabase extends Database {
  /** The connection that listens, for whoever else needs NOTIFY. */
  notifications: Notifications
}

/** Of a probe: who is found to be half open is given up, so that a new connection can take its place. */
const probeMs = 3000
const stateQuery = 'SELECT current_setting(\'TimeZone\') AS zone, current_setting(\'transaction_read_only\') = \'on\' AS only_reads, current_user AS role'

const defaultLimits: Limits = { caller: 10, namespace: 20, node: 20, captures: 1, queued: 2000 }

/** Migrates, then opens the database; rejects with EPH_DATABASE_UNAVAILABLE where it cannot be reached. */
export async function createDatabase (options: DatabaseOptions): Promise<PostgresDatabase> {
  const { url, directUrl = url, cluster = 'local', leaseSeconds = 30, connections = 10 } = options
  const limits = { ...defaultLimits, ...options.limits }
  await migrate(directUrl)
  const db = openPostgres({ url, pooled: directUrl !== url, connections })
  const prisma = createPrisma(db.pool)
  const notifications = createNotifications({ directUrl })
  const changes = createJobChanges(notifications)

  async function look (): Promise<void> {
    const [row] = await db.probe<{ zone: string, only_reads: boolean, role: string }>(stateQuery, probeMs, breaker.isOpen)
    if (row?.only_reads) throw onlyReads()
    if (!['UTC', 'Etc/UTC', 'GMT'].includes(row?.zone ?? '')) {
      throw new Error(`Cannot use the database: its role has the time zone "${row?.zone}"; behind a pooler, ALTER ROLE "${row?.role}" SET timezone = 'UTC'`)
    }
  }

  const breaker = createBreaker({
    isOutage: isAway,
    probe: () => look().catch((error: unknown) => { throw databaseProblem(error) }),
    changed: options.changed
  })
  const { check } = breaker

  async function close (): Promise<void> {
    breaker.close()
    await changes.close()
    await notifications.close()
    await prisma.$disconnect()
    await db.pool.end()
  }

  try {
    await check()
  } catch (error) {
    await close()
    throw error
  }
  const { watch, ...jobs } = createJobStore(db, prisma, changes, { limits, leaseSeconds, cluster })
  return {
    jobs: { ...guard(jobs, breaker), watch },
    sessions: guard(createSessionStore(db, prisma), breaker),
    runs: guard(createRunStore(db, prisma, changes), breaker),
    artifacts: guard(createArtifactStore(db, prisma, changes), breaker),
    leases: guard(createLeaseStore(db, prisma), breaker),
    audit: guard({ record: async (event: AuditEvent) => { await db.rows('SELECT record_audit($1)', [toJsonText(auditRow(event))]) } }, breaker),
    notifications,
    check,
    close
  }
}

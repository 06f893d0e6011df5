import type pg from 'pg'
import type { Database } from '#core/ports/storage.ts'
import type { Process } from './process.ts'

/** Time in the database, simulated: what it would end is moved back. Whoever lives and is heard of renews in time, and is left alone. */
export const passTime = {
  /** The leases of a process that is lost, and those that no living process knows of, are over; answers whether its claims are taken. */
  async over (db: pg.Pool, process: Process, worker: string | null): Promise<boolean> {
    const { holders, claims } = process.owed()
    if (holders.length > 0) await db.query("UPDATE lease SET until = now() - interval '1 second' WHERE holder = ANY ($1) AND until > now()", [holders])
    for (const { jobPodId, attempt } of claims) {
      await db.query(`UPDATE job_pod SET lease_until = now() - interval '1 second'
        WHERE id = $1 AND attempt = $2 AND state = 'running' AND lease_until > now()`, [jobPodId, attempt])
    }
    if (!worker || !(process.isDead || process.isIll)) return true
    const { rows } = await db.query("UPDATE job_pod SET lease_until = now() - interval '1 second' WHERE claimed_by = $1 AND state = 'running' RETURNING id", [worker])
    return rows.length === 0
  },
  /** A job that still waits has waited too long. */
  async expire (db: pg.Pool, jobId: string): Promise<void> {
    await db.query("UPDATE job_pod SET expires_at = now() - interval '1 second' WHERE job_id = $1 AND state = 'queued' AND attempt = 0", [jobId])
  },
  /** A second goes by, and the sweep answers the wake-ups that nobody has. */
  async relay (db: pg.Pool, { jobs }: Database): Promise<void> {
    await db.query("UPDATE outbox SET created_at = created_at - interval '2 seconds' WHERE relayed_at IS NULL")
    await jobs.sweep()
  }
}

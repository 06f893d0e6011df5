import type { LeaseStore } from '#core/ports/storage.ts'
import type { Postgres } from './postgres.ts'
import type { Prisma } from './prisma.ts'

export function createLeaseStore (db: Postgres, prisma: Prisma): LeaseStore {
  return {
    async acquire (name, holder, seconds) {
      const rows = await db.rows(`
        INSERT INTO lease (name, holder, until) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
          WHERE lease.holder = excluded.holder OR lease.until <= clock_timestamp()
        RETURNING name`, [name, holder, seconds])
      return rows.length === 1
    },
    async takePlace (name, holder, seconds, width) {
      const [row] = await db.rows<{ place: string | null }>('SELECT take_place($1, $2, $3, $4) AS place', [name, holder, seconds, width])
      return row?.place ?? null
    },
    async release (name, holder) {
      await prisma.lease.deleteMany({ where: { name, holder } })
    }
  }
}

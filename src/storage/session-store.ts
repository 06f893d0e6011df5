import { toPage } from '#core/page.ts'
import type { SessionFilter, SessionStore } from '#core/ports/storage.ts'
import type { Prisma as Where } from './generated/client.ts'
import { beyond, oneOf } from './filters.ts'
import { cleanText } from './json-text.ts'
import type { Postgres } from './postgres.ts'
import type { Prisma } from './prisma.ts'
import { toSession, type SessionRow } from './session-row.ts'
import { camelKeys, isId } from './stored.ts'

const date = (iso: string | undefined) => iso === undefined ? undefined : new Date(iso)

/** Active between two times: opened before the second, last used after the first. */
const whereOf = (filter: SessionFilter): Where.SessionWhereInput => ({
  namespace: oneOf(filter.namespaces),
  pod: oneOf(filter.pod),
  podUid: oneOf(filter.podUid),
  node: oneOf(filter.node),
  state: oneOf(filter.state),
  openedBy: oneOf(filter.openedBy),
  AND: [
    { openedAt: { gte: date(filter.createdAfter), lt: date(filter.createdBefore) } },
    { lastUsedAt: { gte: date(filter.activeAfter) }, openedAt: { lt: date(filter.activeBefore) } }
  ]
})

interface Counted { session: Record<string, unknown>, runs: number }
const counted = '(SELECT count(*)::integer FROM run r WHERE r.session_id = s.id) AS runs'
const fromRow = ({ session, runs }: Counted) => toSession(camelKeys<SessionRow>(session), runs)

export function createSessionStore (db: Postgres, prisma: Prisma): SessionStore {
  return {
    async findLiving ({ podUid, imageDigests, profile, sharedContainer, purpose }) {
      // Runs are not counted: who looks for a session to use asks often, and nothing of that.
      const [row] = await db.rows<Counted>(`
        SELECT row_to_json(s) AS session, 0 AS runs FROM session s
        WHERE s.pod_uid = $1 AND s.image_digest = ANY ($2) AND s.profile = $3 AND coalesce(s.shared_container, '') = $4 AND s.purpose = $5
          AND s.state <> 'closed'
        ORDER BY array_position($2, s.image_digest), s.id DESC LIMIT 1`, [podUid, imageDigests, profile, sharedContainer ?? '', purpose])
      return row ? fromRow(row) : null
    },

    async open (draft) {
      const { pod } = draft
      const [row] = await db.rows<Counted>(`
        INSERT INTO session AS s (id, namespace, pod, pod_uid, node, ephemeral_container, image, image_digest, profile, purpose,
                                  shared_container, shares_processes, opened_by, used_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, ARRAY[$13])
        ON CONFLICT DO NOTHING RETURNING row_to_json(s) AS session, 0 AS runs`,
      [draft.id, pod.namespace, pod.name, pod.uid, pod.node, draft.ephemeralContainer, draft.image, draft.imageDigest, draft.profile,
        draft.purpose, draft.sharedContainer, draft.sharesProcesses, draft.openedBy])
      return row ? fromRow(row) : null
    },

    async opened (id) {
      await db.rows('UPDATE session SET state = \'open\' WHERE id = $1 AND state = \'opening\'', [id])
    },

    async close (id, reason) {
      await db.rows('UPDATE session SET state = \'closed\', closed_at = now(), closed_reason = $2 WHERE id = $1 AND state <> \'closed\'',
        [id, cleanText(reason)])
    },

    async find (id) {
      if (!isId(id)) return null
      const [row] = await db.rows<Counted>(`SELECT row_to_json(s) AS session, ${counted} FROM session s WHERE s.id = $1`, [id])
      return row ? fromRow(row) : null
    },

    async list (filter, page) {
      const rows = await prisma.session.findMany({
        where: { AND: [whereOf(filter), { id: beyond(page) }] },
        orderBy: { id: 'desc' },
        take: page.limit + 1
      })
      const { items, nextCursor } = toPage(rows, page.limit)
      const counts = await prisma.run.groupBy({ by: ['sessionId'], where: { sessionId: { in: items.map(({ id }) => id) } }, _count: true })
      const runs = new Map(counts.map(({ sessionId, _count }) => [sessionId, _count]))
      return { items: items.map(row => toSession(row, runs.get(row.id) ?? 0)), nextCursor }
    }
  }
}

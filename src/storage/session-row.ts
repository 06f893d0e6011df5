import type { Session } from '#core/session.ts'
import type { Session as SessionModel } from './generated/client.ts'
import { time, type Stored } from './stored.ts'

export type SessionRow = Stored<SessionModel>

export function toSession (row: SessionRow, runCount: number): Session {
  return {
    id: row.id,
    namespace: row.namespace,
    pod: row.pod,
    podUid: row.podUid,
    node: row.node,
    ephemeralContainer: row.ephemeralContainer,
    image: row.image,
    imageDigest: row.imageDigest,
    // Only the session store writes these, from the core's types.
    profile: row.profile as Session['profile'],
    state: row.state as Session['state'],
    purpose: row.purpose,
    targetContainer: row.sharedContainer,
    sharesProcesses: row.sharesProcesses,
    openedAt: time(row.openedAt),
    openedBy: row.openedBy,
    lastUsedAt: time(row.lastUsedAt),
    usedBy: row.usedBy,
    runCount,
    closedAt: time(row.closedAt),
    closedReason: row.closedReason
  }
}

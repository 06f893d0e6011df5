import { Type, type Static } from 'typebox'
import { Id, OrNull, Time } from './schema.ts'
import { profileNames } from './profile.ts'

export const Session = Type.Object({
  id: Id,
  namespace: Type.String({ description: 'Namespace of the pod' }),
  pod: Type.String({ description: 'Pod the container is in' }),
  podUid: Type.String({ description: 'UID of that pod' }),
  node: OrNull(Type.String({ description: 'Node of the pod' })),
  ephemeralContainer: Type.String({ description: 'Name of the container, ephemera-…' }),
  image: Type.String({ description: 'Name on the operator\'s list' }),
  imageDigest: Type.String({ description: 'Digest that runs' }),
  profile: Type.Enum(profileNames, { description: 'Rights of the container' }),
  purpose: Type.String({ description: 'diagnostics, command:<caller> or shell:<caller>' }),
  targetContainer: OrNull(Type.String({ description: 'Container whose processes it shares, or null' })),
  sharesProcesses: Type.Boolean({ description: 'Whether it sees processes of the application' }),
  state: Type.Enum(['opening', 'open', 'closed'], { description: 'closed: the container has ended' }),
  openedAt: Time,
  openedBy: Type.String({ description: 'Caller it was opened for' }),
  lastUsedAt: Time,
  usedBy: Type.Array(Type.String(), { description: 'Everybody who has used it' }),
  runCount: Type.Integer({ description: 'Runs so far' }),
  closedAt: OrNull(Time),
  closedReason: OrNull(Type.String({ description: 'Why it is closed' }))
}, { description: 'One ephemeral container of ours in one pod' })
export type Session = Static<typeof Session>

/** What must be equal for a session to be reused. */
export interface SessionKey {
  podUid: string
  /** Acceptable digests of the wanted image, the current one first: an upgrade burns no budget. */
  imageDigests: string[]
  profile: typeof profileNames[number]
  /** The container whose processes are shared, or null. */
  sharedContainer: string | null
  purpose: string
}

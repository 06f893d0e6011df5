import { Type, type Static } from 'typebox'
import { Id, OrNull, Time } from './schema.ts'
import { endCauses, truncationReasons } from './outcome.ts'

export const Completeness = Type.Object({
  state: Type.Enum(['complete', 'truncated'], { description: 'complete: bytes and SHA-256 are equal on both ends and the tool ended by itself or as planned' }),
  reason: OrNull(Type.Enum(truncationReasons, { description: 'Why it is truncated' }))
}, { description: 'Whether all that there was is stored' })

export const Stream = Type.Object({
  name: Type.Enum(['stdout', 'stderr'], { description: 'Which output' }),
  receivedBytes: Type.Integer({ description: 'Bytes that arrived' }),
  sha256: OrNull(Type.String({ description: 'SHA-256 of what arrived, hexadecimal' })),
  storedBytes: Type.Integer({ description: 'Bytes that can be read back' }),
  redactions: Type.Integer({ description: 'Places that were redacted before storing' })
}, { description: 'One output of a run' })
export type Stream = Static<typeof Stream>

export const ArtifactLink = Type.Object({
  id: Id,
  kind: Type.String({ description: 'pcap; more may come' }),
  sizeBytes: Type.Integer({ description: 'Size so far' }),
  sha256: OrNull(Type.String({ description: 'SHA-256 once it is sealed' })),
  contentType: Type.String({ description: 'Media type' })
}, { description: 'A stored stream, in short' })

export const Run = Type.Object({
  id: Id,
  jobId: Id,
  sessionId: Id,
  namespace: Type.String({ description: 'Namespace of the pod' }),
  pod: Type.String({ description: 'Pod it ran in' }),
  podUid: Type.String({ description: 'UID of that pod' }),
  attempt: Type.Integer({ description: 'Attempt of the job that made it' }),
  diagnostic: Type.String({ description: 'Diagnostic that asked for it' }),
  argv: Type.Array(Type.String(), { description: 'Arguments as they were executed, without secrets' }),
  startedAt: OrNull(Time),
  endedAt: OrNull(Time),
  durationMs: OrNull(Type.Integer({ description: 'Time the tool ran, measured in the pod' })),
  exitCode: OrNull(Type.Integer({ description: 'Exit code of the tool' })),
  signal: OrNull(Type.String({ description: 'Signal that ended the tool' })),
  endCause: OrNull(Type.Enum(endCauses, { description: 'Why it ended; null while it runs, and where it never started' })),
  completeness: OrNull(Completeness),
  streams: Type.Array(Stream, { description: 'Its outputs' }),
  artifacts: Type.Array(ArtifactLink, { description: 'Stored streams it produced' })
}, { description: 'One tool that ran in a session' })
export type Run = Static<typeof Run>

export const Artifact = Type.Object({
  id: Id,
  runId: Id,
  jobId: Id,
  namespace: Type.String({ description: 'Namespace of the pod it came from' }),
  pod: Type.String({ description: 'Pod it came from' }),
  podUid: Type.String({ description: 'UID of that pod' }),
  kind: Type.String({ description: 'pcap; more may come' }),
  contentType: Type.String({ description: 'Media type' }),
  state: Type.Enum(['growing', 'sealed', 'expired'], { description: 'growing while the run lasts' }),
  sizeBytes: Type.Integer({ description: 'Size so far' }),
  sha256: OrNull(Type.String({ description: 'SHA-256 once sealed' })),
  completeness: OrNull(Completeness),
  createdAt: Time,
  sealedAt: OrNull(Time)
}, { description: 'A stored stream' })
export type Artifact = Static<typeof Artifact>

/** One immutable piece of an artifact in the bucket. */
export interface Segment { key: string, offset: number, sizeBytes: number, sha256: string }
export const maxSegmentBytes = 8 << 20
export const maxSegmentAgeMs = 2000

import type { Artifact, Run } from '#core/run.ts'
import type { Artifact as ArtifactModel, Run as RunModel } from './generated/client.ts'
import { time, type Stored } from './stored.ts'

export type RunRow = Stored<RunModel>
export type ArtifactRow = Stored<ArtifactModel>

// JSON columns and texts with a CHECK hold what the core's types say: only these stores write them.

export function toRun (row: RunRow, artifacts: ArtifactRow[]): Run {
  return {
    id: row.id,
    jobId: row.jobId,
    sessionId: row.sessionId,
    namespace: row.namespace,
    pod: row.pod,
    podUid: row.podUid,
    attempt: row.attempt,
    diagnostic: row.diagnostic,
    argv: row.argv,
    startedAt: time(row.startedAt),
    endedAt: time(row.endedAt),
    durationMs: row.durationMs,
    exitCode: row.exitCode,
    signal: row.signal,
    endCause: row.endCause as Run['endCause'],
    completeness: row.completeness as Run['completeness'],
    streams: row.streams as Run['streams'],
    artifacts: artifacts.map(({ id, kind, sizeBytes, sha256, contentType }) =>
      ({ id, kind, sizeBytes: Number(sizeBytes), sha256, contentType }))
  }
}

export function toArtifact (row: ArtifactRow, run: Pick<RunRow, 'namespace' | 'pod' | 'podUid'>): Artifact {
  return {
    id: row.id,
    runId: row.runId,
    jobId: row.jobId,
    namespace: run.namespace,
    pod: run.pod,
    podUid: run.podUid,
    kind: row.kind,
    contentType: row.contentType,
    state: row.state as Artifact['state'],
    sizeBytes: Number(row.sizeBytes),
    sha256: row.sha256,
    completeness: row.completeness as Artifact['completeness'],
    createdAt: time(row.createdAt),
    sealedAt: time(row.sealedAt)
  }
}

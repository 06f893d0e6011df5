import type { Job, JobPod, JobSummary } from '#core/job.ts'
import { toPage, type Page } from '#core/page.ts'
import type { Principal } from '#core/principal.ts'
import type { Job as JobModel, JobPod as JobPodModel } from './generated/client.ts'
import { toRun, type ArtifactRow, type RunRow } from './run-row.ts'
import type { SessionRow } from './session-row.ts'
import { camelKeys, time, type Stored } from './stored.ts'

export type JobRow = Stored<JobModel>
export type JobPodRow = Stored<JobPodModel>

type Row = Record<string, unknown>
/** What pod_documents() and job_document() answer: rows as they are in the tables. */
export interface PodDocument { pod: Row, session: Row | null, runs: { run: Row, artifacts: Row[] }[] }
export interface JobDocument { job: Row, verdicts: Record<string, number>, pods: PodDocument[] }

export const inlinePods = 20
const summaryFindings = 10

function toPodSession (pod: JobPodRow, session: SessionRow | null): JobPod['session'] {
  return session && {
    id: session.id,
    ephemeralContainer: session.ephemeralContainer,
    targetContainer: pod.targetContainer,
    image: session.image,
    imageDigest: session.imageDigest,
    // Only the session store writes it, from the core's type.
    profile: session.profile as NonNullable<JobPod['session']>['profile'],
    reused: pod.sessionReused,
    sharesProcesses: session.sharesProcesses
  }
}

export function toJobPod (document: PodDocument): JobPod & { id: string } {
  const pod = camelKeys<JobPodRow>(document.pod)
  // JSON columns and texts with a CHECK hold what the core's types say: only the job store writes them.
  return {
    id: pod.id,
    namespace: pod.namespace,
    pod: pod.pod,
    podUid: pod.podUid,
    node: pod.node === '' ? null : pod.node,
    owner: pod.ownerKind === null || pod.ownerName === null ? null : { kind: pod.ownerKind, name: pod.ownerName },
    role: pod.role as JobPod['role'],
    state: pod.state as JobPod['state'],
    verdict: pod.verdict as JobPod['verdict'],
    error: pod.error as JobPod['error'],
    report: pod.report as JobPod['report'],
    snapshot: pod.snapshot as JobPod['snapshot'],
    session: toPodSession(pod, document.session && camelKeys<SessionRow>(document.session)),
    runs: document.runs.map(({ run, artifacts }) => toRun(camelKeys<RunRow>(run), artifacts.map(row => camelKeys<ArtifactRow>(row))))
  }
}

export const toPodPage = (documents: PodDocument[], limit: number): Page<JobPod & { id: string }> => toPage(documents.map(toJobPod), limit)

export function toSummary (row: JobRow, verdicts: Record<string, number>, cluster: string): JobSummary {
  const { username, uid, groups, authMethod, actor } = row.principal as unknown as Principal
  const count = (verdict: string) => verdicts[verdict] ?? 0
  return {
    id: row.id,
    cluster,
    diagnostic: row.diagnostic,
    diagnosticVersion: row.diagnosticVersion,
    namespace: row.namespace,
    target: row.target as JobSummary['target'],
    params: row.params as JobSummary['params'],
    reason: row.reason,
    labels: row.labels as JobSummary['labels'],
    priority: row.priority as JobSummary['priority'],
    requestedBy: { username, uid, groups, authMethod, actor },
    state: row.state as JobSummary['state'],
    verdict: row.verdict as JobSummary['verdict'],
    findings: (row.findings as JobSummary['findings']).slice(0, summaryFindings),
    error: row.error as JobSummary['error'],
    deduplicatedFrom: row.deduplicatedFrom,
    retryOf: row.retryOf,
    createdAt: time(row.createdAt),
    startedAt: time(row.startedAt),
    finishedAt: time(row.finishedAt),
    url: `/v1/jobs/${row.id}`,
    podCounts: {
      matched: row.matched,
      selected: row.podCount,
      pass: count('pass'),
      warn: count('warn'),
      fail: count('fail'),
      inconclusive: count('inconclusive'),
      notMeasured: count('none')
    }
  }
}

export function toJob (document: JobDocument, cluster: string): Job {
  const row = camelKeys<JobRow>(document.job)
  const { items, nextCursor } = toPodPage(document.pods, inlinePods)
  return {
    ...toSummary(row, document.verdicts, cluster),
    findings: row.findings as Job['findings'],
    // The id of a pod within the job is the cursor's business alone.
    pods: { items: items.map(({ id, ...pod }) => pod), nextCursor }
  }
}

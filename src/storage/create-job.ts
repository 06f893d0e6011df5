import { Problem } from '#core/errors.ts'
import type { Job } from '#core/job.ts'
import type { AuditEvent, DraftPod, JobDraft, JobStore, SourceQuestion } from '#core/ports/storage.ts'
import type { Principal } from '#core/principal.ts'
import { snapshotOf } from '#core/target.ts'
import { isFinal } from '#core/job.ts'
import { v7 as uuidv7 } from 'uuid'
import { decideJob, type DecidedPod } from './decide-job.ts'
import { inlinePods, toJob, type JobDocument } from './job-document.ts'
import { endEvents } from './settle-job.ts'
import { jobEvent, podEvent } from './job-events.ts'
import { toJsonText } from './json-text.ts'
import type { Limits } from './job-claims.ts'
import type { Querier } from './postgres.ts'

/** A key is the caller's own: of a user, or of a portal for that user. */
export const keyOwner = ({ username, actor }: Principal): string => actor === null ? username : JSON.stringify([actor, username])

export const auditRow = (event: AuditEvent) => ({ id: uuidv7(), username: event.principal?.username ?? null, ...event })

/** Every label as `key` and as `key=value`: selectors become questions about set members. */
const labelIndex = (labels: Record<string, string>) => Object.entries(labels).flatMap(([key, value]) => [key, `${key}=${value}`])

function searchText ({ reason, target, pods }: JobDraft): string {
  const names = [target.pod, target.workload?.name, target.service, target.labelSelector, ...pods.map(({ pod }) => pod.name)]
  return [reason, target.namespace, ...new Set(names)].filter(text => text).join('\n').toLowerCase()
}

const podState = (draft: DraftPod) => draft.error ? 'failed' as const : 'queued' as const

const podRow = (draft: DraftPod, priority: number, captures: boolean) => ({
  id: draft.id,
  priority,
  namespace: draft.pod.namespace,
  pod: draft.pod.name,
  pod_uid: draft.pod.uid,
  node: draft.pod.node ?? '',
  owner_kind: draft.pod.owner?.kind ?? null,
  owner_name: draft.pod.owner?.name ?? null,
  target_container: draft.targetContainer,
  snapshot: snapshotOf(draft.pod),
  state: podState(draft),
  error: draft.error,
  captures
})

function toDocument (draft: JobDraft, maxQueued: number) {
  const pods: DecidedPod[] = draft.pods.map(pod =>
    ({ pod: pod.pod.name, state: podState(pod), verdict: null, error: pod.error, findings: [] }))
  const decided = decideJob(pods, false)
  const final = isFinal(decided.state)
  // A pod that is refused beside others that wait does not start the job.
  const state = final ? decided.state : 'queued'
  return {
    job: {
      id: draft.id,
      namespace: draft.namespace,
      diagnostic: draft.diagnostic,
      diagnostic_version: draft.diagnosticVersion,
      retry_safe: draft.retrySafe,
      target: draft.target,
      params: draft.params,
      reason: draft.reason,
      labels: draft.labels,
      label_index: labelIndex(draft.labels),
      image: draft.image,
      priority: draft.priority,
      timeout_seconds: draft.timeoutSeconds,
      matched: draft.matched,
      rule: draft.rule,
      pod_count: draft.pods.length,
      requested_by: draft.principal.username,
      actor: draft.principal.actor,
      principal: draft.principal,
      state,
      error: final ? decided.error : null,
      search: searchText(draft)
    },
    startWithinSeconds: draft.startWithinSeconds,
    ...draft.sharing,
    waiting: draft.pods.filter(pod => podState(pod) === 'queued').length,
    maxQueued,
    pods: draft.pods.map(pod => podRow(pod, draft.priority === 'interactive' ? 1 : 0, draft.captures)),
    events: [
      ...(final ? [] : [jobEvent(state, null, null)]),
      ...draft.pods.map(pod => podEvent({
        id: pod.id,
        namespace: pod.pod.namespace,
        pod: pod.pod.name,
        podUid: pod.pod.uid,
        state: podState(pod),
        verdict: null,
        error: pod.error,
        attempt: 0
      })),
      ...(final ? endEvents(decided) : [])
    ],
    audit: auditRow(draft.audit),
    ...(draft.idempotency
      ? { idempotency: { username: keyOwner(draft.principal), key: draft.idempotency.key, request_hash: draft.idempotency.requestHash } }
      : {})
  }
}

export const mismatch = (key: string): Problem =>
  new Problem('EPH_IDEMPOTENCY_MISMATCH', `Cannot launch the job: the Idempotency-Key "${key}" was used for another request`)

/** What job_document() would answer of a job that was stored just now, without reading it back; a test compares them. */
function newDocument ({ job, pods }: Pick<ReturnType<typeof toDocument>, 'job' | 'pods'>, createdAt: Date): JobDocument {
  const unknownYet = { verdict: null, findings: [], started_at: null }
  const times = { created_at: createdAt, finished_at: isFinal(job.state) ? createdAt : null }
  return {
    job: { ...job, ...unknownYet, ...times, deduplicated_from: null, retry_of: null },
    verdicts: { none: pods.length },
    pods: pods.slice(0, inlinePods + 1).map(pod => ({ pod: { ...pod, ...unknownYet, role: 'source', report: null }, session: null, runs: [] }))
  }
}

/** `document` of what was created: where it shares the measurement of another job. */
interface Created { outcome: 'created' | 'replayed' | 'mismatch' | 'full', created_at: Date, document: JobDocument | null }

/** When a place may be free again: sooner or later, as others end. */
const retryAfterSeconds = 5

function full (maxQueued: number): Problem {
  const detail = `Cannot launch the job: ${maxQueued} pods may wait for one caller, and there is no room for more`
  return new Problem('EPH_QUOTA', detail, { retryAfterSeconds, quota: { name: 'queued', limit: maxQueued } })
}

export function createJob (db: Querier, cluster: string, { queued }: Pick<Limits, 'queued'>): JobStore['create'] {
  return async (draft): Promise<{ job: Job, replayed: boolean }> => {
    const text = toJsonText(toDocument(draft, queued))
    const [row] = await db.rows<Created>('SELECT outcome, created_at, document FROM create_job($1, $2)', [text, inlinePods + 1])
    if (!row || row.outcome === 'mismatch') throw mismatch(draft.idempotency?.key ?? '')
    if (row.outcome === 'full') throw full(queued)
    if (row.document) return { job: toJob(row.document, cluster), replayed: row.outcome === 'replayed' }
    // As it was stored: texts are cleaned.
    return { job: toJob(newDocument(JSON.parse(text), row.created_at), cluster), replayed: false }
  }
}

export function findSource (db: Querier): JobStore['findSource'] {
  return async ({ principal, diagnostic, diagnosticVersion, params, image, sharing, pods }: SourceQuestion) => {
    const job = {
      diagnostic,
      diagnostic_version: diagnosticVersion,
      params,
      image,
      pod_count: pods.length,
      requested_by: principal.username,
      actor: principal.actor,
      principal
    }
    const asked = pods.map(({ podUid, targetContainer, error }) =>
      ({ pod_uid: podUid, target_container: targetContainer, state: error ? 'failed' : 'queued', error }))
    const [row] = await db.rows<{ id: string | null }>('SELECT (find_source($1, false)).id', [toJsonText({ job, pods: asked, ...sharing })])
    return row?.id ?? null
  }
}

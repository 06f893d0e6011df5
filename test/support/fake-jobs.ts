import { EventEmitter } from 'node:events'
import { Problem } from '#core/errors.ts'
import { isFinal, stateOfJob, verdictOfJob, type Job, type JobPod } from '#core/job.ts'
import type { Claim, DraftPod, EndedRun, JobDraft, JobEvent, JobStore, PodResult } from '#core/ports/storage.ts'
import { snapshotOf } from '#core/target.ts'

const maxAttempts = 3
const cancelled = { code: 'EPH_CANCELLED', message: 'Cannot finish the job: it was cancelled', retryable: 'now', effect: 'none' } as const

interface PodRow {
  draft: DraftPod
  result: PodResult | null
  attempt: number
  /** Who holds it; null while it is queued or final. */
  worker: string | null
  session: { id: string, reused: boolean } | null
}
interface JobRow { draft: JobDraft, pods: PodRow[], events: JobEvent[], cancelAsked: boolean, finishAsked: boolean }

interface OtherStores {
  /** What they know of a pod. */
  describe (podId: string, session: PodRow['session']): Pick<JobPod, 'session' | 'runs'>
  endRun (ended: EndedRun): Promise<void>
}

/** Jobs in memory; claims are fenced by attempt and worker as in the database. */
export function createFakeJobs ({ describe, endRun }: OtherStores) {
  const rows = new Map<string, JobRow>()
  const keys = new Map<string, { requestHash: string, id: string }>()
  const changes = new EventEmitter().setMaxListeners(0)
  const rowOf = (id: string) => rows.get(id) ?? null
  const rowOfPod = (podId: string) => [...rows.values()].flatMap(({ pods }) => pods).find(({ draft }) => draft.id === podId)!

  const stateOf = ({ result, worker, draft }: PodRow) => draft.error ? 'failed' as const : result?.state ?? (worker ? 'running' as const : 'queued' as const)
  const ends = ({ pods }: JobRow) => pods.map(pod => ({ state: stateOf(pod), verdict: pod.result?.verdict ?? null }))
  const stateOfRow = (row: JobRow) => stateOfJob(ends(row), row.cancelAsked)

  function emit (jobId: string, type: string, data: Record<string, unknown>): void {
    const events = rows.get(jobId)?.events
    events?.push({ seq: events.length + 1, type, data, at: new Date().toISOString() })
    changes.emit(jobId)
  }

  function held ({ jobId, jobPodId, attempt, worker }: Claim): PodRow | null {
    const pod = rows.get(jobId)?.pods.find(({ draft }) => draft.id === jobPodId)
    return pod?.worker === worker && pod.attempt === attempt ? pod : null
  }

  function endPod (jobId: string, pod: PodRow, result: PodResult): void {
    pod.result = result
    pod.worker = null
    for (const finding of result.findings) emit(jobId, 'finding', { ...finding })
    emit(jobId, 'pod', { id: pod.draft.id, state: result.state })
    const row = rows.get(jobId)!
    if (isFinal(stateOfRow(row))) emit(jobId, 'end', { state: stateOfRow(row) })
  }

  function toJob (row: JobRow): Job {
    const { draft, pods } = row
    const state = stateOfRow(row)
    const count = (verdict: string | null) => pods.filter(({ result }) => (result?.verdict ?? null) === verdict).length
    return {
      id: draft.id,
      cluster: 'local',
      diagnostic: draft.diagnostic,
      diagnosticVersion: draft.diagnosticVersion,
      namespace: draft.namespace,
      target: draft.target,
      params: draft.params,
      reason: draft.reason,
      labels: draft.labels,
      priority: draft.priority,
      requestedBy: draft.principal,
      state,
      verdict: verdictOfJob(state, ends(row)),
      findings: pods.flatMap(({ result }) => result?.findings ?? []),
      error: isFinal(state) && state !== 'succeeded' ? pods.map(pod => pod.draft.error ?? pod.result?.error ?? null).find(Boolean) ?? null : null,
      deduplicatedFrom: null,
      retryOf: null,
      createdAt: '2026-11-24T08:00:00.000Z',
      startedAt: null,
      finishedAt: null,
      url: `/v1/jobs/${draft.id}`,
      podCounts: {
        matched: draft.matched,
        selected: pods.length,
        pass: count('pass'),
        warn: count('warn'),
        fail: count('fail'),
        inconclusive: count('inconclusive'),
        notMeasured: count(null)
      },
      pods: { nextCursor: null, items: pods.map(toJobPod) }
    }
  }

  const toJobPod = (row: PodRow): JobPod & { id: string } => ({
    id: row.draft.id,
    namespace: row.draft.pod.namespace,
    pod: row.draft.pod.name,
    podUid: row.draft.pod.uid,
    node: row.draft.pod.node,
    owner: row.draft.pod.owner,
    role: 'source',
    state: stateOf(row),
    verdict: row.result?.verdict ?? null,
    error: row.draft.error ?? row.result?.error ?? null,
    report: row.result?.report ?? null,
    snapshot: snapshotOf(row.draft.pod),
    ...describe(row.draft.id, row.session)
  })

  const toClaim = ({ draft }: JobRow, pod: PodRow, worker: string, cancelAsked: boolean): Claim => ({
    jobId: draft.id,
    jobPodId: pod.draft.id,
    attempt: pod.attempt,
    worker,
    diagnostic: draft.diagnostic,
    params: draft.params,
    principal: draft.principal,
    image: draft.image,
    timeoutSeconds: draft.timeoutSeconds,
    namespace: draft.namespace,
    pod: pod.draft.pod.name,
    podUid: pod.draft.pod.uid,
    targetContainer: pod.draft.targetContainer,
    cancelAsked,
    leaseSeconds: 30
  })

  const store: JobStore = {
    async create (draft) {
      const { principal: { username }, idempotency } = draft
      if (idempotency) keys.set(`${username} ${idempotency.key}`, { requestHash: idempotency.requestHash, id: draft.id })
      const pods = draft.pods.map(pod => ({ draft: pod, result: null, attempt: 0, worker: null, session: null }))
      const row: JobRow = { draft, pods, events: [], cancelAsked: false, finishAsked: false }
      rows.set(draft.id, row)
      emit(draft.id, 'job', { state: 'queued' })
      return { job: toJob(row), replayed: false }
    },
    async replay ({ username }, key, requestHash) {
      const used = keys.get(`${username} ${key}`)
      if (!used) return null
      if (used.requestHash !== requestHash) throw new Problem('EPH_IDEMPOTENCY_MISMATCH', `Cannot launch the job: the Idempotency-Key "${key}" was used for another request`)
      return toJob(rows.get(used.id)!)
    },
    findSource: async () => null,
    countQueued: async () => [...rows.values()].flatMap(({ pods }) => pods).filter(pod => stateOf(pod) === 'queued').length,
    queuePositions: async ids => new Map(ids.filter(id => stateOfRow(rows.get(id)!) === 'queued').map((id, index) => [id, index + 1])),
    find: async id => { const row = rowOf(id); return row && toJob(row) },
    list: async ({ namespaces }) => ({
      items: [...rows.values()].filter(({ draft }) => namespaces?.includes(draft.namespace) ?? true).map(toJob), nextCursor: null
    }),
    pods: async id => ({ items: rowOf(id)?.pods.map(toJobPod) ?? [], nextCursor: null }),
    events: async (id, afterSeq, limit) => (rowOf(id)?.events ?? []).filter(({ seq }) => seq > afterSeq).slice(0, limit),
    appendEvent: async (id, type, data) => { emit(id, type, data) },
    async claim (worker, want) {
      const claims: Claim[] = []
      for (const row of rows.values()) {
        for (const pod of row.pods) {
          if (claims.length === want || stateOf(pod) !== 'queued') continue
          pod.worker = worker
          pod.attempt++
          claims.push(toClaim(row, pod, worker, row.cancelAsked))
          emit(row.draft.id, 'job', { state: 'running' })
        }
      }
      return claims
    },
    async renew (claim) {
      const { cancelAsked: cancel, finishAsked: finish } = rows.get(claim.jobId)!
      return held(claim) ? { held: true, cancel, finish } : { held: false, cancel: false, finish: false }
    },
    async attachSession (claim, id, reused) {
      const pod = held(claim)
      if (pod) pod.session = { id, reused }
      return pod !== null
    },
    async finish (claim, result, lastRun) {
      if (lastRun) await endRun(lastRun)
      const pod = held(claim)
      if (pod) endPod(claim.jobId, pod, result)
      return pod !== null
    },
    async requeue (claim) {
      const pod = held(claim)
      if (!pod || pod.attempt >= maxAttempts) return false
      pod.worker = null
      emit(claim.jobId, 'pod', { id: pod.draft.id, state: 'queued' })
      if (rows.get(claim.jobId)!.cancelAsked) await store.cancel(claim.jobId)
      return true
    },
    async cancel (id) {
      const row = rowOf(id)
      if (!row) return null
      if (isFinal(stateOfRow(row))) return toJob(row)
      row.cancelAsked = true
      for (const pod of row.pods) {
        if (stateOf(pod) === 'queued') endPod(id, pod, { state: 'cancelled', verdict: null, error: cancelled, report: null, findings: [] })
      }
      changes.emit(id)
      return toJob(row)
    },
    async askFinish (id) {
      const row = rowOf(id)
      if (!row) return null
      row.finishAsked = true
      changes.emit(id)
      return toJob(row)
    },
    sweep: async () => 0,
    watch (id, changed) {
      changes.on(id, changed)
      return () => { changes.off(id, changed) }
    }
  }

  return {
    store,
    emit,
    /** As if the lease of a claim had run out and another worker had taken it. */
    steal (id: string): void {
      for (const pod of rows.get(id)!.pods) {
        pod.worker = 'another'
        pod.attempt++
      }
      changes.emit(id)
    },
    jobOf: (podId: string) => [...rows.values()].find(({ pods }) => pods.some(({ draft }) => draft.id === podId))!.draft,
    podOf: (podId: string) => rowOfPod(podId).draft.pod,
    /** As the start of a run does it. */
    attach (podId: string, session: { id: string, reused: boolean }) { rowOfPod(podId).session = session },
    drafts: () => [...rows.values()].map(({ draft }) => draft)
  }
}

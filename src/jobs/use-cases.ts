import type { Quotas } from '#core/caller-views.ts'
import type { CapabilitiesView } from '#core/capabilities.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Job, JobPod, JobRequest, JobSummary } from '#core/job.ts'
import type { Page, PageRequest } from '#core/page.ts'
import type { JobEvent, JobFilter, RunFilter, SessionFilter } from '#core/ports/storage.ts'
import type { Preflight } from '#core/preflight.ts'
import type { Principal } from '#core/principal.ts'
import type { Artifact, Run } from '#core/run.ts'
import type { Session } from '#core/session.ts'
import type { PodSummary } from '#core/target.ts'

/** Namespaces as the caller asked for them: empty = wherever the caller may list. */
export type Asked<F extends { namespaces: string[] | null }> = Omit<F, 'namespaces'> & { namespaces: string[] }

export interface OutputSlice { bytes: Buffer, complete: boolean }
export interface TargetQuery { namespace: string, labelSelector: string | null, q: string | null }
export interface TargetPod { pod: PodSummary, profiles: string[], refusal: string | null, ours: number, budgetLeft: number }

/**
 * What Ephemera does, whoever transports it. Every call asks what the caller may do and leaves an audit event; what the caller may not
 * see answers EPH_NOT_FOUND like what does not exist.
 */
export interface UseCases {
  submit (caller: Principal, request: JobRequest, options: { idempotencyKey: string | null }): Promise<{ job: Job, replayed: boolean }>
  preflight (caller: Principal, request: JobRequest): Promise<Preflight>
  /**
   * The job when it is final, or as it is after `seconds`, or when it is no longer as `knownVersion` (see versionOf). `launched`: the
   * caller's own job as it was just stored, which need not be looked at again before something changes.
   */
  wait (
    caller: Principal, id: string, options: { seconds: number, signal: AbortSignal, knownVersion?: string, launched?: Job | undefined }
  ): Promise<Job>
  job (caller: Principal, id: string): Promise<Job>
  jobs (caller: Principal, filter: Asked<JobFilter>, page: PageRequest): Promise<Page<JobSummary>>
  jobPods (caller: Principal, id: string, page: PageRequest): Promise<Page<JobPod & { id: string }>>
  /** Events after `afterSeq`, then those that come, until `end`; rights are asked again every 5 s, past the cache. */
  events (caller: Principal, id: string, options: { afterSeq: number, signal: AbortSignal }): Promise<AsyncIterable<JobEvent>>
  cancel (caller: Principal, id: string): Promise<Job>
  finish (caller: Principal, id: string): Promise<Job>
  sessions (caller: Principal, filter: Asked<SessionFilter>, page: PageRequest): Promise<Page<Session>>
  session (caller: Principal, id: string): Promise<Session>
  closeSession (caller: Principal, id: string): Promise<Session>
  runs (caller: Principal, filter: Asked<RunFilter>, page: PageRequest): Promise<Page<Run>>
  run (caller: Principal, id: string): Promise<Run>
  /** `raw` takes the payload right. With `follow`, goes on until the run has ended. */
  output (caller: Principal, id: string, options: { stream: 'stdout' | 'stderr', raw: boolean, follow: boolean, signal: AbortSignal }):
  Promise<{ run: Run, content: AsyncIterable<Buffer> }>
  artifacts (caller: Principal, filter: Asked<RunFilter>, page: PageRequest): Promise<Page<Artifact>>
  artifact (caller: Principal, id: string): Promise<Artifact>
  /** Bytes [start, end) of the artifact (end null: its end); takes the payload right. With `follow`, goes on until it is sealed. */
  content (caller: Principal, id: string, options: { start: number, end: number | null, follow: boolean, signal: AbortSignal }):
  Promise<{ artifact: Artifact, content: AsyncIterable<Uint8Array> }>
  namespaces (caller: Principal): Promise<{ name: string, launch: boolean, captures: boolean }[]>
  targets (caller: Principal, query: TargetQuery): Promise<TargetPod[]>
  whoami (caller: Principal, namespace: string | null):
  Promise<{ identity: Principal, rights: { right: string, allowed: boolean }[], quotas: Omit<Quotas, 'requestsPerMinute'> }>
  diagnostics (caller: Principal, namespace: string | null): Promise<{ diagnostic: AnyDiagnostic, allowed: boolean | null }[]>
  capabilities (caller: Principal): Promise<CapabilitiesView>
}

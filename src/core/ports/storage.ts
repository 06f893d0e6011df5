import type { Finding, Verdict } from '../finding.ts'
import type { Job, JobError, JobPod, JobState, JobSummary } from '../job.ts'
import type { Completeness, EndCause } from '../outcome.ts'
import type { Page, PageRequest } from '../page.ts'
import type { Principal } from '../principal.ts'
import type { ProfileName } from '../profile.ts'
import type { Artifact, Run, Segment } from '../run.ts'
import type { Session, SessionKey } from '../session.ts'
import type { PodSummary, Target } from '../target.ts'

export interface AuditEvent {
  /** launch, read, refuse, cancel, finish, …; an open set. */
  action: string
  outcome: 'allowed' | 'denied' | 'failed'
  principal: Principal | null
  namespace: string | null
  /** What was acted on: a path of the API or a kind and id. */
  object: string
  code: string | null
  detail: Record<string, unknown>
}

export interface DraftPod {
  id: string
  pod: PodSummary
  targetContainer: string
  /** Refused by preflight: this pod is failed from the start. */
  error: JobError | null
}

/** Which jobs' results will do: those under way, or finished not longer ago than `maxAgeSeconds`. */
export interface Sharing { maxAgeSeconds: number, ownOnly: boolean }

export interface JobDraft {
  id: string
  principal: Principal
  diagnostic: string
  diagnosticVersion: string
  retrySafe: boolean
  namespace: string
  target: Target
  params: Record<string, unknown>
  reason: string | null
  labels: Record<string, string>
  image: string
  priority: 'interactive' | 'automatic'
  timeoutSeconds: number
  /** Seconds after which a job that still waits expires. */
  startWithinSeconds: number
  matched: number
  rule: string
  pods: DraftPod[]
  /** Whether it captures: so many at a time in one pod, no more. */
  captures: boolean
  /** Another job's result will do; null: it will not. */
  sharing: Sharing | null
  idempotency: { key: string, requestHash: string } | null
  audit: AuditEvent
}

export type SourceQuestion = Pick<JobDraft, 'principal' | 'diagnostic' | 'diagnosticVersion' | 'params' | 'image'> & {
  sharing: Sharing
  pods: { podUid: string, targetContainer: string, error: JobError | null }[]
}

/** One pod of a job in the hands of one worker; `attempt` fences every write. */
export interface Claim {
  jobId: string
  jobPodId: string
  attempt: number
  worker: string
  diagnostic: string
  params: Record<string, unknown>
  principal: Principal
  image: string
  timeoutSeconds: number
  namespace: string
  pod: string
  podUid: string
  targetContainer: string
  cancelAsked: boolean
  /** How long it is held without being renewed, by the database's clock. */
  leaseSeconds: number
}

/** What others want of a claim, read when its lease is renewed. held: false = another attempt owns it. */
export interface Orders { held: boolean, cancel: boolean, finish: boolean }

export interface PodResult {
  state: Extract<JobState, 'succeeded' | 'failed' | 'cancelled' | 'denied'>
  verdict: Verdict | null
  error: JobError | null
  report: Record<string, unknown> | null
  findings: Finding[]
}

export interface JobEvent { seq: number, type: string, data: Record<string, unknown>, at: string }

/** Repeated values are alternatives, different fields must all hold. `namespaces` null: all. */
export interface JobFilter {
  namespaces: string[] | null
  pod?: string[]
  podUid?: string[]
  workload?: { kind: string, name: string }[]
  service?: string[]
  node?: string[]
  diagnostic?: string[]
  state?: string[]
  verdict?: string[]
  finding?: string[]
  requestedBy?: string[]
  actor?: string[]
  /** Parsed Kubernetes selector over the job's labels. */
  labels?: { key: string, operator: 'in' | 'notIn' | 'exists' | 'notExists', values: string[] }[]
  createdAfter?: string
  createdBefore?: string
  /** Words in reason, target and findings. */
  q?: string
}

export interface JobStore {
  /**
   * One transaction: job, pods, audit event, outbox. The replayed job where the idempotency key was used with the same request. Rejects
   * with EPH_QUOTA where too many pods of the caller wait. Where another job's result will do and there is one, the job shares it: it is
   * never claimed, and ends with the other one, or is measured by itself where that gives no whole result.
   */
  create (draft: JobDraft): Promise<{ job: Job, replayed: boolean }>
  /** The job whose result `create` would share. */
  findSource (draft: SourceQuestion): Promise<string | null>
  /** Pods of the caller that wait. */
  countQueued (username: string): Promise<number>
  /** Where jobs stand among all pods that wait, 1 is next; without those that do not wait. */
  queuePositions (jobIds: string[]): Promise<Map<string, number>>
  /** The job that a key was used for, or null; EPH_IDEMPOTENCY_MISMATCH for another request. */
  replay (principal: Principal, key: string, requestHash: string): Promise<Job | null>
  find (id: string): Promise<Job | null>
  list (filter: JobFilter, page: PageRequest): Promise<Page<JobSummary>>
  pods (jobId: string, page: PageRequest): Promise<Page<JobPod & { id: string }>>
  events (jobId: string, afterSeq: number, limit: number): Promise<JobEvent[]>
  appendEvent (jobId: string, type: string, data: Record<string, unknown>): Promise<void>
  /** The fairest runnable pods of jobs, at most `want`. */
  claim (worker: string, want: number): Promise<Claim[]>
  renew (claim: Claim): Promise<Orders>
  /** Remembers the session in which a pod was measured without a run, as `runs.start` does; false when the claim is no longer held. */
  attachSession (claim: Claim, sessionId: string, reused: boolean): Promise<boolean>
  /**
   * Commits the end of a pod and, with the last one, of the job; false when the claim is no longer held. The end of the pod's last run,
   * where it was not written down before, is written in either case.
   */
  finish (claim: Claim, result: PodResult, lastRun?: EndedRun | null): Promise<boolean>
  /** Gives a claim back for another attempt; false when it is no longer held or 3 attempts were made. */
  requeue (claim: Claim, reason: string): Promise<boolean>
  /** Asks for cancellation: queued pods end at once, running ones by their worker. */
  cancel (jobId: string): Promise<Job | null>
  /** Asks running captures to end now as planned. */
  askFinish (jobId: string): Promise<Job | null>
  /** Ends what waited too long, requeues or ends claims whose lease is over; answers how many. */
  sweep (): Promise<number>
  /** Calls back when the job may have changed; the caller looks for itself. Answers how to stop. */
  watch (jobId: string, changed: () => void): () => void
}

export interface SessionDraft {
  id: string
  pod: PodSummary
  ephemeralContainer: string
  image: string
  imageDigest: string
  profile: ProfileName
  purpose: string
  sharedContainer: string | null
  sharesProcesses: boolean
  openedBy: string
}

export interface SessionFilter {
  namespaces: string[] | null
  pod?: string[]
  podUid?: string[]
  node?: string[]
  state?: string[]
  openedBy?: string[]
  createdAfter?: string
  createdBefore?: string
  activeAfter?: string
  activeBefore?: string
}

export interface SessionStore {
  /** The living session of this key, or null. */
  findLiving (key: SessionKey): Promise<Session | null>
  /** The row before the container; null when another worker has made one of the same key meanwhile. */
  open (draft: SessionDraft): Promise<Session | null>
  opened (id: string): Promise<void>
  close (id: string, reason: string): Promise<void>
  find (id: string): Promise<Session | null>
  list (filter: SessionFilter, page: PageRequest): Promise<Page<Session>>
}

export interface RunDraft {
  id: string
  jobPodId: string
  jobId: string
  sessionId: string
  attempt: number
  diagnostic: string
  argv: string[]
  /** Whether the session was there before; and who uses it now. */
  reused: boolean
  username: string
}

export interface RunResult {
  exitCode: number | null
  signal: string | null
  /** Null where the tool never started. */
  endCause: EndCause | null
  durationMs: number | null
  completeness: Completeness | null
  streams: Run['streams']
  /** What was not written down of the run before its end, and comes with it in one round trip. */
  unwritten?: { started: boolean, output: OutputPiece[] }
}

/** How a run ended, and how long ago. */
export interface EndedRun { id: string, result: RunResult, agoMs: number }

/** The last piece of a stream: at most one of each, and at most 64 KiB. */
export interface OutputPiece { stream: 'stdout' | 'stderr', offset: number, bytes: Uint8Array }

export interface RunFilter {
  namespaces: string[] | null
  jobId?: string[]
  sessionId?: string[]
  pod?: string[]
  podUid?: string[]
  diagnostic?: string[]
}

/** `started`, `append` and `end` also write the job's events `run` and `output`. */
export interface RunStore {
  /** Also remembers the session, and there its use. Rejects with EPH_CONFLICT when the claim is no longer held. */
  start (draft: RunDraft): Promise<void>
  /** `started` has arrived: from now on the effect of the run is unknown until it ends. */
  started (id: string): Promise<void>
  append (run: { id: string, jobId: string }, stream: 'stdout' | 'stderr', offset: number, bytes: Uint8Array): Promise<void>
  /** May be repeated: a run ends once. */
  end (ended: EndedRun): Promise<void>
  find (id: string): Promise<Run | null>
  list (filter: RunFilter, page: PageRequest): Promise<Page<Run>>
  /** Stored bytes of a stream from an offset, at most `maxBytes`. */
  output (run: { id: string, jobId: string }, stream: 'stdout' | 'stderr', offset: number, maxBytes: number): Promise<Buffer>
}

/** `create` and `seal` also write the job's events `artifact`. */
export interface ArtifactStore {
  create (artifact: { id: string, runId: string, jobId: string, kind: string, contentType: string }): Promise<void>
  /** Before its object is put: what never gets a row is known by it. Once it is sealed, this and addSegment reject with EPH_CONFLICT. */
  announce (artifactId: string, key: string): Promise<void>
  addSegment (artifactId: string, segment: Segment): Promise<void>
  seal (artifactId: string, sizeBytes: number, sha256: string, completeness: Completeness): Promise<void>
  find (id: string): Promise<Artifact | null>
  list (filter: RunFilter, page: PageRequest): Promise<Page<Artifact>>
  /** Segments that end after `offset`, in order. */
  segments (artifactId: string, offset: number): Promise<Segment[]>
  /** Announced objects that got no row, of at most `limit` artifacts, which were sealed so long ago that nobody puts anything any more. */
  strays (limit: number): Promise<{ artifactId: string, key: string }[]>
  /** The object is gone. */
  forget (artifactId: string, key: string): Promise<void>
}

export interface LeaseStore {
  /** True when `holder` has the lease until `seconds` from now, by the database's clock. */
  acquire (name: string, holder: string, seconds: number): Promise<boolean>
  release (name: string, holder: string): Promise<void>
  /** One of so many places of a name: the name of its lease, to be renewed by `acquire`; null where all are taken. */
  takePlace (name: string, holder: string, seconds: number, width: number): Promise<string | null>
}

export interface AuditStore {
  record (event: AuditEvent): Promise<void>
}

export interface Database {
  jobs: JobStore
  sessions: SessionStore
  runs: RunStore
  artifacts: ArtifactStore
  leases: LeaseStore
  audit: AuditStore
  /** Rejects with EPH_DATABASE_UNAVAILABLE. */
  check (): Promise<void>
  close (): Promise<void>
}

import { Type, type Static } from 'typebox'
import { Finding, verdicts, type Verdict } from './finding.ts'
import { Requester } from './principal.ts'
import { Id, labelKey, labelValue, Namespace, OrNull, shortName, Time, withoutNul } from './schema.ts'
import { Run } from './run.ts'
import { Session } from './session.ts'
import { PodSnapshot, Target } from './target.ts'

export const jobStates = ['awaitingApproval', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'denied', 'expired'] as const
export type JobState = typeof jobStates[number]
export const isFinal = (state: JobState): boolean => !['awaitingApproval', 'queued', 'running'].includes(state)

export const JobError = Type.Object({
  code: Type.String({ description: 'EPH_…' }),
  message: Type.String({ description: 'What happened, for people' }),
  retryable: Type.Enum(['no', 'later', 'now'], { description: 'Whether launching again may help' }),
  effect: Type.Enum(['none', 'unknown', 'done'], { description: 'What may have been left in the pod' })
}, { description: 'What stopped a job or one of its pods' })
export type JobError = Static<typeof JobError>

const free = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description })

export const JobRequest = Type.Object({
  diagnostic: Type.String({ minLength: 1, maxLength: 63, description: 'Name of the diagnostic' }),
  target: Target,
  params: Type.Optional(free('Parameters of the diagnostic; see its paramsSchema')),
  reason: Type.Optional(Type.String({ maxLength: 1000, pattern: withoutNul, description: 'Why it is launched; kept for auditors' })),
  labels: Type.Optional(Type.Record(
    Type.String({ pattern: labelKey }),
    Type.String({ pattern: labelValue }),
    // Never, not false: filling in defaults fails on a Record with false and an unknown key.
    { additionalProperties: Type.Never(), maxProperties: 20, description: 'Labels of the job, for finding it again' })),
  image: Type.Optional(Type.String({ pattern: shortName, description: 'Name on the operator\'s list of images' })),
  timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600, description: 'For the whole measurement of one pod' })),
  startWithinSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86400, description: 'Expires if it is not started by then' })),
  maxAgeSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 3600, description: 'A result of the same in the same pods will do, where it is under way or at most this old; see deduplicatedFrom' })),
  priority: Type.Optional(Type.Enum(['interactive', 'automatic'], { description: 'interactive (default) goes before automatic' })),
  notify: Type.Optional(Type.Array(Type.String({ maxLength: 63 }), { maxItems: 10, description: 'Names of receivers' }))
}, {
  additionalProperties: false,
  description: 'A launch',
  // What a page of documentation would make up names a pod in five ways at once, and is refused.
  examples: [{ diagnostic: 'dns-lookup', target: { namespace: 'shop', workload: { kind: 'Deployment', name: 'web' } }, params: { names: ['orders.shop'] } }]
})
export type JobRequest = Static<typeof JobRequest>

export const Owner = Type.Object({
  kind: Type.String({ description: 'Kind of the workload' }),
  name: Type.String({ description: 'Name of the workload' })
}, { description: 'The workload that a pod belongs to' })

export const JobPod = Type.Object({
  namespace: Type.String({ description: 'Namespace of the pod' }),
  pod: Type.String({ description: 'Name of the pod' }),
  podUid: Type.String({ description: 'UID the job is pinned to' }),
  node: OrNull(Type.String({ description: 'Node of the pod' })),
  owner: OrNull(Owner),
  role: Type.Enum(['source', 'peer'], { description: 'source: where it is measured from' }),
  state: Type.Enum(jobStates, { description: 'State of this pod' }),
  verdict: OrNull(Type.Enum(verdicts, { description: 'Verdict of this pod' })),
  error: OrNull(JobError),
  report: OrNull(free('What was measured; see the diagnostic\'s reportSchema')),
  snapshot: PodSnapshot,
  session: OrNull(Type.Object({
    id: Id,
    ephemeralContainer: Session.properties.ephemeralContainer,
    targetContainer: OrNull(Type.String({ description: 'Container the question is about' })),
    image: Session.properties.image,
    imageDigest: Session.properties.imageDigest,
    profile: Session.properties.profile,
    reused: Type.Boolean({ description: 'Whether a living session was reused' }),
    sharesProcesses: Session.properties.sharesProcesses
  }, { description: 'The container it was measured from' })),
  runs: Type.Array(Run, { description: 'Tools that ran, in order' })
}, { description: 'One pod of a job' })
export type JobPod = Static<typeof JobPod>

export const PodCounts = Type.Object({
  matched: Type.Integer({ description: 'Pods the target matched' }),
  selected: Type.Integer({ description: 'Pods chosen from them' }),
  pass: Type.Integer({ description: 'Pods with verdict pass' }),
  warn: Type.Integer({ description: 'Pods with verdict warn' }),
  fail: Type.Integer({ description: 'Pods with verdict fail' }),
  inconclusive: Type.Integer({ description: 'Pods with verdict inconclusive' }),
  notMeasured: Type.Integer({ description: 'Selected pods without a verdict' })
}, { description: 'How many pods have which verdict' })

const summary = {
  id: Id,
  cluster: Type.String({ description: 'Name of the cluster' }),
  diagnostic: Type.String({ description: 'Name of the diagnostic' }),
  diagnosticVersion: Type.String({ description: 'Its version when the job was launched' }),
  namespace: Namespace,
  target: free('The target as it was asked for'),
  params: free('Parameters with defaults, without secrets'),
  reason: OrNull(Type.String({ description: 'Why it was launched' })),
  labels: Type.Record(Type.String(), Type.String(), { description: 'Labels of the job' }),
  priority: Type.Enum(['interactive', 'automatic'], { description: 'interactive goes first' }),
  requestedBy: Requester,
  state: Type.Enum(jobStates, { description: 'Whether it could be executed' }),
  verdict: OrNull(Type.Enum(verdicts, { description: 'What it found; null until final and unless it succeeded' })),
  findings: Type.Array(Finding, { description: 'What it found, of all pods' }),
  error: OrNull(JobError),
  deduplicatedFrom: OrNull(Type.String({ ...Id, description: 'Job whose measurement this one shares, with its runs and artifacts' })),
  retryOf: OrNull(Id),
  createdAt: Time,
  startedAt: OrNull(Time),
  finishedAt: OrNull(Time),
  url: Type.String({ description: 'Address of the job in this API' }),
  podCounts: PodCounts
}

export const JobSummary = Type.Object(summary, { description: 'A job without its pods' })
export type JobSummary = Static<typeof JobSummary>

export const Job = Type.Object({
  ...summary,
  pods: Type.Object({
    nextCursor: OrNull(Type.String({ description: 'Cursor for /pods; null: these are all' })),
    items: Type.Array(JobPod, { description: 'The first pods' })
  }, { description: 'At most 20; the rest by /pods' })
}, { description: 'A job with its first pods' })
export type Job = Static<typeof Job>

interface PodEnd { state: JobState, verdict: Verdict | null }

/** The job's state once all pods are final: cancelled wins if it was asked for in time, then one measured pod is enough. */
export function stateOfJob (pods: PodEnd[], cancelAccepted: boolean): JobState {
  if (!pods.every(pod => isFinal(pod.state))) return pods.every(pod => pod.state === 'queued') ? 'queued' : 'running'
  if (cancelAccepted) return 'cancelled'
  for (const state of ['succeeded', 'failed', 'cancelled', 'denied'] as const) {
    if (pods.some(pod => pod.state === state)) return state
  }
  return 'expired'
}

/** fail if any pod fails; else inconclusive if any is, or was not measured; else warn; else pass. Null unless the job succeeded. */
export function verdictOfJob (state: JobState, pods: PodEnd[]): Verdict | null {
  if (state !== 'succeeded') return null
  const has = (verdict: Verdict | null) => pods.some(pod => pod.verdict === verdict)
  if (has('fail')) return 'fail'
  if (has('inconclusive') || has(null)) return 'inconclusive'
  return has('warn') ? 'warn' : 'pass'
}

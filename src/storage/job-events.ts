import type { Finding, Verdict } from '#core/finding.ts'
import type { JobError, JobState } from '#core/job.ts'

/** An event that has no number yet. */
export interface DraftEvent { type: string, data: Record<string, unknown> }

interface PodState {
  id: string
  namespace: string
  pod: string
  podUid: string
  state: JobState
  verdict: Verdict | null
  error: JobError | null
  attempt: number
}

export const jobEvent = (state: JobState, verdict: Verdict | null, error: JobError | null): DraftEvent =>
  ({ type: 'job', data: { state, verdict, error } })

export const podEvent = ({ id, namespace, pod, podUid, state, verdict, error, attempt }: PodState): DraftEvent =>
  ({ type: 'pod', data: { id, namespace, pod, podUid, state, verdict, error, attempt } })

/** pod null: of the job as a whole. */
export const findingEvent = (pod: string | null, finding: Finding): DraftEvent => ({ type: 'finding', data: { pod, ...finding } })

export const endEvent = (state: JobState, verdict: Verdict | null): DraftEvent => ({ type: 'end', data: { state, verdict } })

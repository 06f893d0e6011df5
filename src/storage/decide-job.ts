import { errorTable, type ErrorCode } from '#core/errors.ts'
import type { Finding, Verdict } from '#core/finding.ts'
import { isFinal, stateOfJob, verdictOfJob, type JobError, type JobState } from '#core/job.ts'
import type { PodPlace } from '#core/pods-disagree.ts'

export interface DecidedJob { state: JobState, verdict: Verdict | null, error: JobError | null, findings: Finding[] }
export interface DecidedPod extends DecidedJob, Partial<PodPlace> { pod: string }

export function jobError (code: ErrorCode, message: string): JobError {
  const { retryable, effect } = errorTable[code]
  return { code, message, retryable, effect }
}

export const cancelledError = jobError('EPH_CANCELLED', 'Cannot finish the job: it was cancelled')

/** Equal findings of several pods become one; what a single pod has several times (the n-th of a code) stays apart. */
export function mergeFindings (pods: { findings: Finding[] }[]): Finding[] {
  const merged = new Map<string, Finding>()
  for (const { findings } of pods) {
    const times = new Map<string, number>()
    for (const finding of findings) {
      const kind = `${finding.diagnostic} ${finding.code}`
      const nth = (times.get(kind) ?? 0) + 1
      times.set(kind, nth)
      const known = merged.get(`${kind} ${nth}`)
      if (!known) {
        merged.set(`${kind} ${nth}`, { ...finding })
        continue
      }
      known.pods = [...known.pods, ...finding.pods]
      known.count = new Set(known.pods).size
      known.evidence = [...known.evidence, ...finding.evidence]
    }
  }
  return [...merged.values()]
}

/** What follows for a job from its pods. While pods are not final, verdict and error are null. */
export function decideJob (pods: DecidedPod[], cancelAccepted: boolean): DecidedJob {
  const state = stateOfJob(pods, cancelAccepted)
  const verdict = verdictOfJob(state, pods)
  let error: JobError | null = null
  if (isFinal(state) && state !== 'succeeded') {
    error = pods.find(pod => pod.state === state && pod.error)?.error ?? null
    if (state === 'cancelled') error ??= cancelledError
  }
  return { state, verdict, error, findings: mergeFindings(pods) }
}

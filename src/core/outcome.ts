import type { ErrorCode } from './errors.ts'

/** Why a run ended. The first group comes from the runner, the second is seen only from outside. */
export const endCauses = [
  'exited', 'finished', 'cancelled', 'shutdown', 'deadline', 'limit', 'oom', 'killed',
  'disconnected', 'stalled', 'unproven'
] as const
export type EndCause = typeof endCauses[number]

export const truncationReasons = ['limit', 'deadline', 'cancelled', 'killed', 'disconnected', 'shutdown', 'backpressure', 'unproven'] as const
export type TruncationReason = typeof truncationReasons[number]

export interface Completeness { state: 'complete' | 'truncated', reason: TruncationReason | null }

/** What follows from the end of a run for its pod. `retry`: a new attempt may be made where the diagnostic is retrySafe. */
export interface Outcome {
  podState: 'succeeded' | 'failed' | 'cancelled'
  code: ErrorCode | null
  completeness: Completeness
  retry: boolean
}

const complete: Completeness = { state: 'complete', reason: null }
const truncated = (reason: TruncationReason): Completeness => ({ state: 'truncated', reason })

/** THE table of outcomes: the only place that says what a run's end means. */
export const outcomes: Record<EndCause, Outcome> = {
  exited: { podState: 'succeeded', code: null, completeness: complete, retry: false },
  finished: { podState: 'succeeded', code: null, completeness: complete, retry: false },
  limit: { podState: 'succeeded', code: 'EPH_OUTPUT_LIMIT', completeness: truncated('limit'), retry: false },
  unproven: { podState: 'succeeded', code: 'EPH_OUTPUT_UNREADABLE', completeness: truncated('unproven'), retry: false },
  deadline: { podState: 'failed', code: 'EPH_RUN_TIMEOUT', completeness: truncated('deadline'), retry: false },
  cancelled: { podState: 'cancelled', code: 'EPH_CANCELLED', completeness: truncated('cancelled'), retry: false },
  oom: { podState: 'failed', code: 'EPH_OUT_OF_MEMORY', completeness: truncated('killed'), retry: false },
  killed: { podState: 'failed', code: 'EPH_TOOL_KILLED', completeness: truncated('killed'), retry: false },
  disconnected: { podState: 'failed', code: 'EPH_INDETERMINATE', completeness: truncated('disconnected'), retry: true },
  shutdown: { podState: 'failed', code: 'EPH_SHUTDOWN', completeness: truncated('shutdown'), retry: true },
  stalled: { podState: 'failed', code: 'EPH_STORE_STALLED', completeness: truncated('backpressure'), retry: false }
}

/** Both streams as the runner states them and as they were stored, and how the tool ended. */
export interface RunProof {
  endCause: EndCause
  signal: string | null
  /** Bytes and SHA-256 of both streams are equal on both ends. */
  proven: boolean
  /** The runner read both streams to their end. */
  whole: boolean
  /** The runner had to send KILL, because the tool did not end within its grace. */
  killed: boolean
}

/** The cause that counts: what arrived without proof is never complete, whatever the tool said of itself. */
export function settleCause ({ endCause, signal, proven, whole, killed }: RunProof): EndCause {
  if (endCause === 'exited' && signal !== null) return 'killed'
  // A planned stop that had to be enforced left its stream unfinished.
  if (endCause === 'finished' && killed) return 'killed'
  if ((endCause === 'exited' || endCause === 'finished') && !(proven && whole)) return 'unproven'
  return endCause
}

import { Problem, type ErrorCode } from '#core/errors.ts'
import { outcomes, type EndCause, type Outcome } from '#core/outcome.ts'

/** A run that ended in a way that ends the measurement; what follows from it stands in the table of outcomes. */
export class RunFailure extends Problem {
  readonly outcome: Outcome
  readonly endCause: EndCause

  constructor (endCause: EndCause, code: ErrorCode, detail: string) {
    super(code, detail)
    this.outcome = outcomes[endCause]
    this.endCause = endCause
  }
}

const details: Record<EndCause, string> = {
  exited: 'it ended by itself',
  finished: 'it ended as planned',
  limit: 'its output went beyond the limit; what fits is kept',
  unproven: 'bytes or checksum of its output do not equal on both ends, or the stream is not whole',
  deadline: 'it did not end within the time of the measurement',
  cancelled: 'the job was cancelled',
  oom: 'the kernel killed it for memory',
  killed: 'it was killed by a signal',
  disconnected: 'the connection to the pod was lost while it ran',
  shutdown: 'the service was stopped',
  stalled: 'the store took no bytes for too long'
}

/** Null where the table has no code for this end: then the measurement goes on. */
export function failureOf (endCause: EndCause, tool: string, because?: string): RunFailure | null {
  const { code } = outcomes[endCause]
  return code && new RunFailure(endCause, code, `Cannot use the result of ${tool}: ${because ?? details[endCause]}`)
}

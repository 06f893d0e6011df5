import type { FastifyBaseLogger } from 'fastify'
import type { Principal } from '#core/principal.ts'
import type { Refusals } from '#core/refusals.ts'
import { formatErrors, type Formatted } from './format-errors.ts'

export interface Asker { principal: Principal | null, id: string, log: FastifyBaseLogger, object: string }
export type ReportFailures = (execution: { data?: unknown, errors?: readonly Error[] }, asker: Asker) => Promise<Formatted>

/** As REST does it: a log line for every failure, and an audit event where no use case has left one. */
export function createFailureReport (refusals: Refusals): ReportFailures {
  return async (execution, { principal, id, log, object }) => {
    const formatted = formatErrors(execution, id)
    for (const problem of formatted.problems) {
      if (problem.status >= 500) log.error({ err: problem.cause ?? problem, code: problem.code }, 'request failed')
      else log.info({ code: problem.code, detail: problem.message }, 'request refused')
      await refusals.record({ principal, namespace: null, object, problem })
    }
    return formatted
  }
}

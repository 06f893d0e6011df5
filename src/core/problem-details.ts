import { Type, type Static } from 'typebox'
import { errorTable, type ErrorCode, type Problem } from './errors.ts'

/** How every failure is answered: RFC 9457 with our code. */
export const ProblemDetails = Type.Object({
  type: Type.String({ description: 'Address of the explanation, /problems/EPH_…' }),
  title: Type.String({ description: 'What this code means' }),
  status: Type.Integer({ description: 'HTTP status' }),
  detail: Type.String({ description: 'What happened this time' }),
  code: Type.String({ description: 'EPH_…' }),
  errors: Type.Array(Type.Object({
    pointer: Type.String({ description: 'JSON pointer into the body; /query/…, /path/… or /headers/… for the rest of the request' }),
    detail: Type.String({ description: 'What is the matter there' })
  }), { description: 'Places that are wrong' }),
  retryable: Type.Enum(['no', 'later', 'now'], { description: 'Whether repeating the request may succeed' }),
  effect: Type.Enum(['none', 'unknown', 'done'], { description: 'What may have been left in a pod' }),
  requestId: Type.String({ description: 'Also in the header x-request-id, and in the log' })
}, { description: 'A failure, after RFC 9457' })
export type ProblemDetails = Static<typeof ProblemDetails>

export const problemAddress = (code: ErrorCode): string => `/problems/${code}`

/** Codes with status 200 tell of ended work; a request that fails with one is in conflict with what the work has become. */
export const statusOf = (code: ErrorCode): number => errorTable[code].status < 400 ? 409 : errorTable[code].status

export function problemDetails (problem: Problem, requestId: string): ProblemDetails {
  const { code, message, errors, retryable, effect } = problem
  const { title } = errorTable[code]
  return { type: problemAddress(code), title, status: statusOf(code), detail: message, code, errors, retryable, effect, requestId }
}

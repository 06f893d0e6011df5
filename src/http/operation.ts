import type { FastifySchema } from 'fastify'
import { Type, type TObject, type TSchema } from 'typebox'
import type { ErrorCode } from '#core/errors.ts'
import { ProblemDetails, statusOf } from '#core/problem-details.ts'

declare module 'fastify' {
  interface FastifySchema {
    /** Headers that the operation reads, as the document shows them. */
    readsHeaders?: TObject
  }
}

/** Every operation behind authentication may fail with these. */
const common: ErrorCode[] = [
  'EPH_INVALID_REQUEST', 'EPH_UNAUTHENTICATED', 'EPH_FORBIDDEN', 'EPH_NOT_SUPPORTED', 'EPH_RATE_LIMITED', 'EPH_INTERNAL',
  'EPH_ACCOUNT_FORBIDDEN', 'EPH_CLUSTER_UNAVAILABLE', 'EPH_DATABASE_UNAVAILABLE', 'EPH_SHUTDOWN'
]

/** A failure as OpenAPI documents it and as it is never serialised: problem-reply does that, for every route alike. */
function problems (codes: ErrorCode[]): Record<number, object> {
  const byStatus = Map.groupBy([...new Set(codes)], statusOf)
  return Object.fromEntries([...byStatus].sort(([a], [b]) => a - b).map(([status, named]) => [status, {
    description: named.join(', '),
    content: { 'application/problem+json': { schema: ProblemDetails } }
  }]))
}

export interface Operation extends Pick<FastifySchema, 'querystring' | 'params' | 'readsHeaders' | 'body'> {
  operationId: string
  tag: string
  summary: string
  description?: string
  /** Success by status. */
  response: Record<number, TSchema | object>
  /** Beside those that every operation shares. */
  codes?: ErrorCode[]
  security?: Record<string, string[]>[]
}

/** The schema of a route: what goes in, what comes out, and every code it may fail with. */
export function operation<O extends Operation> ({ tag, response, codes = [], ...rest }: O) {
  const failures = rest.security?.length === 0 ? codes : [...common, ...codes]
  return { ...rest, tags: [tag], response: { ...problems(failures), ...response } } as Omit<O, 'tag' | 'codes' | 'response'> & { response: O['response'] }
}

/** An answer that is no JSON: for the document alone. */
export const text = (description: string) => Type.Unsafe<unknown>(Type.String({ description }))

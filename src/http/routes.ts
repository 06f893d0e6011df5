import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { notSupported } from '#core/demand-supported.ts'
import { Problem } from '#core/errors.ts'
import { Id } from '#core/schema.ts'
import type { UseCases } from '#jobs/use-cases.ts'

/** What every plugin of routes under /v1 gets. */
export interface RoutesOptions {
  useCases: UseCases
  requestsPerMinute: number
  /** Aborted when the service stops: streams and long polls end. */
  closing: AbortSignal
}

/** Aborted when the caller has gone or the service stops. */
export const untilGone = (request: FastifyRequest, closing: AbortSignal): AbortSignal => AbortSignal.any([request.signal, closing])

export const IdPath = Type.Object({ id: Id }, { additionalProperties: false })
export const NoQuery = Type.Object({}, { additionalProperties: false })

/** Calls without a body: one that is sent would mean something that does not happen. */
export async function refuseBody (request: FastifyRequest): Promise<void> {
  const { body } = request
  if (body === undefined || body === null || (typeof body === 'object' && Object.keys(body).length === 0)) return
  throw new Problem('EPH_INVALID_REQUEST', 'Cannot take a body: this call has none', { errors: [{ pointer: '', detail: 'must be empty' }] })
}

/** Query parameters of the contract that do nothing yet. */
export function refuseQuery (...names: string[]) {
  return async ({ query }: FastifyRequest): Promise<void> => {
    const named = names.filter(name => name in (query as object))
    if (named.length > 0) throw notSupported(named.map(name => `/query/${name}`))
  }
}

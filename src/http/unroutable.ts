import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '#core/errors.ts'
import type { Authenticate } from '#core/ports/authority.ts'
import type { Refusals } from '#core/refusals.ts'
import { sendProblem } from './problem-reply.ts'

export interface UnroutableOptions { authenticate: Authenticate, refusals: Refusals }

/** Answers addresses that the router refuses before any hook or handler runs; who sends them is asked for the audit alone. */
export function createUnroutableAnswer ({ authenticate, refusals }: UnroutableOptions) {
  return async (error: FastifyError, request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const what = error.code === 'FST_ERR_MAX_PARAM_LENGTH' ? 'a name in it is too long' : 'it is not well-formed'
    const problem = new Problem('EPH_MALFORMED', `Cannot read the address: ${what}`)
    const principal = await authenticate({ headers: request.headers, remoteAddress: request.ip }).catch(() => null)
    await refusals.record({ principal, namespace: null, object: `${request.method} ${request.url.split('?')[0]}`, problem })
    sendProblem(problem, request, reply)
  }
}

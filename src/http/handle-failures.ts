import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Refusals } from '#core/refusals.ts'
import { notFound, sendProblem, toProblem } from './problem-reply.ts'

/** The namespace that a refused request was about, if it can be told at all. */
function namespaceOf ({ body, query }: FastifyRequest): unknown {
  const { target } = (body ?? {}) as { target?: { namespace?: unknown } | null }
  return target?.namespace ?? (query as { namespace?: unknown } | undefined)?.namespace
}

/** One way for every failure: a problem, its log line, and an audit event where no use case has left one. */
export function handleFailures (app: FastifyInstance, refusals: Refusals): void {
  app.setErrorHandler(async (error, request, reply) => {
    const problem = toProblem(error)
    const [path = ''] = request.url.split('?')
    await refusals.record({ principal: request.principal, namespace: namespaceOf(request), object: `${request.method} ${path}`, problem })
    return sendProblem(problem, request, reply)
  })
  app.setNotFoundHandler(notFound)
}

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { asProblem, Problem, type ErrorCode } from '#core/errors.ts'
import { problemDetails } from '#core/problem-details.ts'
import { retryHeaders } from '#core/retry-headers.ts'

const frameworkCodes: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'EPH_MEDIA_TYPE',
  FST_ERR_CTP_BODY_TOO_LARGE: 'EPH_TOO_LARGE'
}

const contentHeaders = ['etag', 'content-disposition', 'repr-digest', 'accept-ranges', 'content-length', 'content-range', 'x-accel-buffering']

/** The problem in whatever a request failed with: ours, the framework's, or an unexpected error whose text stays in the log. */
export function toProblem (error: unknown): Problem {
  if (error instanceof Problem) return error
  const { code = '', statusCode = 500, message } = error as Partial<FastifyError>
  // Only our own stop aborts what a caller still waits for.
  if (error instanceof Error && error.name === 'AbortError') return new Problem('EPH_SHUTDOWN', 'Cannot go on: the service stops', { cause: error, effect: 'unknown' })
  const known = frameworkCodes[code]
  if (known) return new Problem(known, `Cannot take the request: ${message}`, { cause: error })
  if (statusCode >= 400 && statusCode < 500) return new Problem('EPH_MALFORMED', `Cannot read the request: ${message}`, { cause: error })
  return asProblem(error)
}

export function sendProblem (problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const details = problemDetails(problem, request.id)
  if (details.status >= 500) request.log.error({ err: problem.cause ?? problem, code: problem.code }, 'request failed')
  else request.log.info({ code: problem.code, detail: problem.message }, 'request refused')
  if (details.status === 401) reply.header('www-authenticate', 'Bearer realm="ephemera"')
  if (details.status === 429 || details.status === 503) reply.headers(retryHeaders(problem, reply.getHeaders()))
  // Headers of the answer that was meant to be: a failure must not be cached or saved as the content.
  for (const header of contentHeaders) if (details.status !== 416 || header !== 'content-range') reply.removeHeader(header)
  return reply.code(details.status)
    .headers({ 'cache-control': 'no-store', 'content-type': 'application/problem+json; charset=utf-8' })
    .serializer(JSON.stringify)
    .send(details)
}

/** For addresses of a scope that has no such route; thrown, so that it is audited like every refusal. */
export async function notFound (): Promise<never> {
  throw new Problem('EPH_NOT_FOUND', 'Cannot find anything at this address: see /docs')
}

/** Bytes that are not HTTP, and headers beyond the parser's limits: there is no request to answer, only a socket. */
export function clientProblem (error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const [status, reason] = error.code === 'HPE_HEADER_OVERFLOW'
    ? [431, 'Request Header Fields Too Large']
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? [408, 'Request Timeout'] : [400, 'Bad Request']
  const problem = new Problem('EPH_MALFORMED', `Cannot read the request: ${reason}`)
  const body = JSON.stringify({ ...problemDetails(problem, ''), status })
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { notSupported } from '#core/demand-supported.ts'
import { Problem } from '#core/errors.ts'
import type { Authenticate } from '#core/ports/authority.ts'
import type { Principal } from '#core/principal.ts'
import type { RateLimit } from './rate-limit.ts'

declare module 'fastify' {
  interface FastifyRequest { principal: Principal | null }
  interface FastifyContextConfig {
    /** A WebSocket may bring its token in connection_init; whoever comes without is refused by callerOf. */
    identifiedLater?: boolean
  }
}

/** Headers in which proxies state identities. Ours is never taken from them; silence would make a portal believe that it was. */
const identityHeader = /^(?:impersonate-|x-remote-(?:user|group|extra|uid))/

export function callerOf (request: FastifyRequest): Principal {
  if (request.principal) return request.principal
  throw new Problem('EPH_UNAUTHENTICATED', 'Cannot tell who calls: send Authorization: Bearer TOKEN')
}

/** Ways to say who calls that the contract has and this version does not. */
function refuseOtherIdentities ({ headers, query }: FastifyRequest): void {
  const stated = Object.keys(headers).filter(name => identityHeader.test(name)).map(name => `/headers/${name}`)
  if ('ticket' in (query as object)) stated.push('/query/ticket')
  if (stated.length > 0) throw notSupported(stated)
}

export interface IdentifyOptions { authenticate: Authenticate, rateLimit: RateLimit }

/** Every request in this scope has a principal, or is answered with 401 before its body is read. */
export function identifyCallers (app: FastifyInstance, { authenticate, rateLimit }: IdentifyOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    const { headers, ip, routeOptions } = request
    if (headers.authorization !== undefined || routeOptions.config.identifiedLater !== true) {
      const principal = await authenticate({ headers, remoteAddress: ip })
      request.principal = principal
      const { headers: state, refusal } = rateLimit(principal.username)
      reply.headers(state)
      if (refusal) throw refusal
    }
    refuseOtherIdentities(request)
  })
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache')
  })
}

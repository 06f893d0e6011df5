import helmet from '@fastify/helmet'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { Registry } from 'prom-client'
import { v7 as uuidv7 } from 'uuid'
import type { Catalogue } from '#core/diagnostic.ts'
import type { Authenticate } from '#core/ports/authority.ts'
import type { AuditEvent } from '#core/ports/storage.ts'
import { createRefusals } from '#core/refusals.ts'
import { graphql } from '#graphql/plugin.ts'
import { closeAnswered } from '#http/close-answered.ts'
import { countRequests } from '#http/count-requests.ts'
import { handleFailures } from '#http/handle-failures.ts'
import { healthRoutes, type HealthChecks } from '#http/health.ts'
import { callerOf, identifyCallers } from '#http/identify.ts'
import { rememberMethods } from '#http/method-not-allowed.ts'
import { clientProblem } from '#http/problem-reply.ts'
import { problemRoutes } from '#http/problems.ts'
import { createRateLimit } from '#http/rate-limit.ts'
import { requestValidator } from '#http/request-validator.ts'
import { restRoutes } from '#http/rest.ts'
import { closeSilentConnections } from '#http/silent-connections.ts'
import { createUnroutableAnswer } from '#http/unroutable.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { docs } from '#openapi/docs.ts'
import { openapi } from '#openapi/plugin.ts'

export interface AppOptions {
  useCases: UseCases
  catalogue: Catalogue
  authenticate: Authenticate
  /** Records what a transport refuses by itself; must not reject. */
  audit: (event: AuditEvent) => Promise<void>
  /** Dependencies by name, for /readyz. */
  checks: HealthChecks
  log: FastifyBaseLogger
  /** Shared with whoever else counts in this process. */
  metrics?: Registry
  /** Aborted when the service has been asked to stop, and goes on answering for a while. */
  leaving?: AbortSignal
  /** Of one caller, at this replica. */
  requestsPerMinute?: number
}

const isSubscription = ({ method, headers, url = '' }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && url.split('?')[0] === '/graphql'

/** The transports, complete and not yet listening. Closing it ends streams and long polls first. */
export async function buildApp (options: AppOptions): Promise<FastifyInstance> {
  const { catalogue, authenticate, audit, checks, log, metrics = new Registry(), leaving, requestsPerMinute = 6000 } = options
  const refusals = createRefusals(audit)
  const app = Fastify({
    loggerInstance: log,
    bodyLimit: 1 << 20,
    requestTimeout: 30_000,
    // What still comes by a connection that is open is answered as ever.
    return503OnClosing: false,
    // Only WebSockets: whoever offers HTTP/2 by the way, as Java does, would lose the body of his request.
    http: { shouldUpgradeCallback: isSubscription },
    genReqId: () => uuidv7(),
    frameworkErrors: createUnroutableAnswer({ authenticate, refusals }),
    clientErrorHandler: clientProblem,
    // One way to write each address: no second one that a proxy's rules would not know.
    routerOptions: { ignoreTrailingSlash: false, ignoreDuplicateSlashes: false }
  })
  const useCases = refusals.watch(options.useCases)
  const closing = new AbortController()

  app.removeContentTypeParser('text/plain')
  app.decorateRequest('principal', null)
  app.addHook('onRequest', async (request, reply) => { reply.header('x-request-id', request.id) })
  app.addHook('preClose', async () => { closing.abort() })
  app.setValidatorCompiler(requestValidator)
  handleFailures(app, refusals)
  countRequests(app, metrics)
  closeSilentConnections(app)
  closeAnswered(app, leaving)
  const answerOtherMethods = rememberMethods(app)

  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    referrerPolicy: { policy: 'no-referrer' }
  })
  await app.register(openapi)
  await app.register(healthRoutes, { checks, metrics })
  await app.register(problemRoutes)
  await app.register(docs)
  await app.register(async scope => {
    const answerOtherMethods = rememberMethods(scope)
    const rateLimit = createRateLimit(requestsPerMinute)
    identifyCallers(scope, { authenticate, rateLimit })
    await scope.register(restRoutes, { prefix: '/v1', useCases, requestsPerMinute, closing: closing.signal })
    await scope.register(graphql, {
      useCases, catalogue, authenticate, callerOf, rateLimit, refusals, requestsPerMinute, closing: closing.signal
    })
    answerOtherMethods()
  })
  answerOtherMethods()
  await app.ready()
  return app
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { Kind, OperationTypeNode, type DocumentNode } from 'graphql'
import mercurius from 'mercurius'
import type { Catalogue } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { Authenticate } from '#core/ports/authority.ts'
import type { Principal } from '#core/principal.ts'
import type { Refusals } from '#core/refusals.ts'
import { retryHeaders } from '#core/retry-headers.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import type { Context } from './context.ts'
import { executeSubscription } from './execute-subscription.ts'
import { demandModest, maxTokens } from './limits.ts'
import { createFailureReport } from './report-failures.ts'
import { GraphqlRequest } from './request.ts'
import { createGraphqlSchema } from './schema.ts'
import { protocol, serveSubscriptions } from './transport-ws.ts'

const cachedDocuments = 256
const maxMessageBytes = 1 << 17

export interface GraphqlOptions {
  useCases: UseCases
  catalogue: Catalogue
  authenticate: Authenticate
  callerOf (request: FastifyRequest): Principal
  /** Takes one request from what a caller may still ask for; answers why not where there is nothing left. */
  rateLimit (caller: string): { refusal: Problem | null }
  refusals: Refusals
  requestsPerMinute: number
  closing: AbortSignal
}

function isJson (source: string): boolean {
  try {
    JSON.parse(source)
    return true
  } catch {
    return false
  }
}

const hasSubscription = ({ definitions }: DocumentNode) =>
  definitions.some(definition => definition.kind === Kind.OPERATION_DEFINITION && definition.operation === OperationTypeNode.SUBSCRIPTION)

export const graphql: FastifyPluginAsyncTypebox<GraphqlOptions> = async (app, options) => {
  const { useCases, catalogue, authenticate, callerOf, rateLimit, refusals, requestsPerMinute, closing } = options
  const schema = createGraphqlSchema(catalogue)
  const reportFailures = createFailureReport(refusals)
  const contextOf = (caller: Principal, signal: AbortSignal): Context => ({ caller, useCases, requestsPerMinute, signal })

  await app.register(mercurius, {
    schema,
    // Its own routes also take documents by GET and bodies with fields that mean nothing.
    routes: false,
    cache: cachedDocuments,
    graphql: { parseOptions: { maxTokens } },
    errorFormatter: execution => ({ statusCode: 200, response: execution })
  })
  app.graphql.addHook('preParsing', async (_schema, source) => {
    // It would take a document as a tree in JSON too, past the limit of tokens.
    if (isJson(source)) throw new Problem('EPH_MALFORMED', 'Cannot read the document: it is JSON')
  })
  app.graphql.addHook('preValidation', async (_schema, document) => {
    demandModest(schema, document)
    if (hasSubscription(document)) throw new Problem('EPH_INVALID_REQUEST', `Cannot subscribe by POST: use a WebSocket with ${protocol}`)
  })

  app.post('/graphql', { schema: { hide: true, body: GraphqlRequest } }, async (request, reply) => {
    const caller = callerOf(request)
    const { query, variables, operationName } = request.body
    const context = contextOf(caller, AbortSignal.any([request.signal, closing]))
    const execution: { data?: unknown, errors?: readonly Error[] } =
      await reply.graphql(query, context, variables ?? undefined, operationName ?? undefined).catch((error: Error) => ({ errors: [error] }))
    if (execution.errors === undefined) return execution
    const { id, log } = request
    const { statusCode, response, problems } = await reportFailures(execution, { principal: caller, id, log, object: 'POST /graphql' })
    const passing = problems.find(({ status }) => status === 429 || status === 503)
    if (passing) reply.headers(retryHeaders(passing, reply.getHeaders()))
    return reply.code(statusCode).send(response)
  })

  await app.register(websocket, {
    options: { maxPayload: maxMessageBytes, handleProtocols: offered => offered.has(protocol) && protocol }
  })
  app.route({
    method: 'GET',
    url: '/graphql',
    schema: { hide: true },
    exposeHeadRoute: false,
    // The token comes in connection_init, so that a page of another origin has none to send along.
    config: { identifiedLater: true },
    // An upgrade that is refused leaves a socket which no parser reads, and which nobody else would close.
    async onResponse ({ raw }) { if (raw.headers.upgrade !== undefined) raw.socket.destroySoon() },
    async handler (request, reply) {
      callerOf(request)
      reply.header('allow', 'POST')
      throw new Problem('EPH_METHOD_NOT_ALLOWED', `Cannot ${request.method} here: send documents by POST, subscribe by WebSocket with ${protocol}`)
    },
    wsHandler (socket, request) {
      serveSubscriptions(socket, request as FastifyRequest, {
        closing,
        reportFailures,
        async identify (authorization, { ip }) {
          const caller = await authenticate({ headers: authorization === undefined ? {} : { authorization }, remoteAddress: ip })
          const { refusal } = rateLimit(caller.username)
          if (refusal) throw refusal
          return caller
        },
        execute (payload, caller, signal) {
          const { refusal } = rateLimit(caller.username)
          if (refusal) throw refusal
          return executeSubscription(schema, payload, contextOf(caller, signal))
        }
      })
    }
  })
}

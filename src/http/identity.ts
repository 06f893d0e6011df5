import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { CapabilitiesView } from '#core/capabilities.ts'
import { Whoami } from '#core/caller-views.ts'
import { Namespace } from '#core/schema.ts'
import { callerOf } from './identify.ts'
import { operation } from './operation.ts'
import { NoQuery, type RoutesOptions } from './routes.ts'

const InNamespace = Type.Object({ namespace: Type.Optional(Namespace) }, { additionalProperties: false })

export const identityRoutes: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases, requestsPerMinute }) => {
  app.get('/whoami', {
    schema: operation({
      operationId: 'whoami',
      tag: 'identity',
      summary: 'Who the caller is and what he may do',
      querystring: InNamespace,
      response: { 200: { description: 'The caller', content: { 'application/json': { schema: Whoami } } } }
    })
  }, async request => {
    const { identity, rights, quotas } = await useCases.whoami(callerOf(request), request.query.namespace ?? null)
    const { username, uid, groups, authMethod, actor } = identity
    return { username, uid, groups, authMethod, actor, rights, quotas: { requestsPerMinute, ...quotas } }
  })

  app.get('/capabilities', {
    schema: operation({
      operationId: 'getCapabilities',
      tag: 'identity',
      summary: 'What works in this cluster, and what our own account lacks',
      querystring: NoQuery,
      response: { 200: { description: 'Capabilities', content: { 'application/json': { schema: CapabilitiesView } } } }
    })
  }, request => useCases.capabilities(callerOf(request)))
}

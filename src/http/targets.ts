import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NamespaceRights } from '#core/caller-views.ts'
import { Problem } from '#core/errors.ts'
import { TargetFilterInput } from '#core/filters.ts'
import { parseLabelSelector } from '#core/label-selector.ts'
import { PageOf } from '#core/page.ts'
import { showTarget, TargetPod } from '#core/target-pod.ts'
import { callerOf } from './identify.ts'
import { operation } from './operation.ts'
import { NoQuery, refuseQuery, type RoutesOptions } from './routes.ts'

export const targetRoutes: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases }) => {
  app.get('/namespaces', {
    preValidation: refuseQuery('limit', 'cursor'),
    schema: operation({
      operationId: 'listNamespaces',
      tag: 'targets',
      summary: 'Namespaces in which the caller may launch',
      querystring: NoQuery,
      response: { 200: { description: 'All of them', content: { 'application/json': { schema: PageOf(NamespaceRights) } } } }
    })
  }, async request => ({ items: await useCases.namespaces(callerOf(request)), nextCursor: null }))

  app.get('/targets', {
    preValidation: refuseQuery('limit', 'cursor', 'kind', 'footprint'),
    schema: operation({
      operationId: 'listTargets',
      tag: 'targets',
      summary: 'Pods of a namespace, and what could be launched in them',
      querystring: TargetFilterInput,
      codes: ['EPH_NAMESPACE_REQUIRED', 'EPH_NAMESPACE_UNKNOWN'],
      response: { 200: { description: 'All that fit', content: { 'application/json': { schema: PageOf(TargetPod) } } } }
    })
  }, async request => {
    const { namespace, labelSelector = null, q = null } = request.query
    if (namespace === undefined) throw new Problem('EPH_NAMESPACE_REQUIRED', 'Cannot list targets: no namespace is named')
    if (labelSelector !== null) parseLabelSelector(labelSelector)
    const found = await useCases.targets(callerOf(request), { namespace, labelSelector, q })
    return { items: found.map(showTarget), nextCursor: null }
  })
}

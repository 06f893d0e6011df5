import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { RunFilterInput, toRunFilter } from '#core/filters.ts'
import { Artifact } from '#core/run.ts'
import { callerOf } from './identify.ts'
import { listRoute } from './list-route.ts'
import { operation } from './operation.ts'
import { IdPath, NoQuery, type RoutesOptions } from './routes.ts'

export const artifactRoutes: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases }) => {
  listRoute(app, {
    url: '/artifacts',
    operationId: 'listArtifacts',
    tag: 'artifacts',
    summary: 'Find stored streams',
    item: Artifact,
    filter: RunFilterInput,
    read: async (caller, filter, page) => useCases.artifacts(caller, toRunFilter(filter), page)
  })

  app.get('/artifacts/:id', {
    schema: operation({
      operationId: 'getArtifact',
      tag: 'artifacts',
      summary: 'Read what is known of a stored stream',
      params: IdPath,
      querystring: NoQuery,
      codes: ['EPH_NOT_FOUND'],
      response: { 200: { description: 'The artifact', content: { 'application/json': { schema: Artifact } } } }
    })
  }, request => useCases.artifact(callerOf(request), request.params.id))
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { JobFilterInput, SessionFilterInput, toSessionFilter } from '#core/filters.ts'
import { Session } from '#core/session.ts'
import { callerOf } from './identify.ts'
import { listRoute } from './list-route.ts'
import { operation } from './operation.ts'
import { IdPath, NoQuery, refuseBody, type RoutesOptions } from './routes.ts'

const sessionAnswer = { description: 'The session', content: { 'application/json': { schema: Session } } }

export const sessionRoutes: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases }) => {
  listRoute(app, {
    url: '/sessions',
    operationId: 'listSessions',
    tag: 'sessions',
    summary: 'Find our ephemeral containers: who opened and used them',
    item: Session,
    filter: SessionFilterInput,
    later: Object.keys(JobFilterInput.properties).filter(name => !(name in SessionFilterInput.properties)),
    read: async (caller, filter, page) => useCases.sessions(caller, toSessionFilter(filter), page)
  })

  app.get('/sessions/:id', {
    schema: operation({
      operationId: 'getSession',
      tag: 'sessions',
      summary: 'Read a session',
      params: IdPath,
      querystring: NoQuery,
      codes: ['EPH_NOT_FOUND'],
      response: { 200: sessionAnswer }
    })
  }, request => useCases.session(callerOf(request), request.params.id))

  app.post('/sessions/:id/close', {
    preValidation: refuseBody,
    schema: operation({
      operationId: 'closeSession',
      tag: 'sessions',
      summary: 'End the holder of a session, and with it the container',
      params: IdPath,
      querystring: NoQuery,
      codes: ['EPH_NOT_FOUND', 'EPH_CONFLICT', 'EPH_CHANNEL_LOST', 'EPH_POD_GONE'],
      response: { 200: sessionAnswer }
    })
  }, request => useCases.closeSession(callerOf(request), request.params.id))
}

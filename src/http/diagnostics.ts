import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { DiagnosticView, showDiagnostic } from '#core/diagnostic-view.ts'
import { Problem } from '#core/errors.ts'
import { PageOf } from '#core/page.ts'
import { Namespace, shortName } from '#core/schema.ts'
import { isKnown, tagOf } from './etag.ts'
import { callerOf } from './identify.ts'
import { operation } from './operation.ts'
import { readsHeaders } from './request-headers.ts'
import { refuseQuery, type RoutesOptions } from './routes.ts'

const InNamespace = Type.Object({
  namespace: Type.Optional(Type.String({ ...Namespace, description: 'Where `allowed` is asked for' }))
}, { additionalProperties: false })

const unchanged = { description: 'It is still as the caller knows it', type: 'null' }

function sendTagged (request: FastifyRequest, reply: FastifyReply, content: object) {
  const tag = tagOf(content)
  reply.header('etag', tag)
  return isKnown(request, tag) ? reply.code(304).send() : reply.send(content)
}

export const diagnosticRoutes: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases }) => {
  app.get('/diagnostics', {
    preValidation: refuseQuery('limit', 'cursor'),
    schema: operation({
      operationId: 'listDiagnostics',
      tag: 'diagnostics',
      summary: 'The catalogue',
      querystring: InNamespace,
      readsHeaders: readsHeaders('if-none-match'),
      response: { 200: { description: 'All diagnostics', content: { 'application/json': { schema: PageOf(DiagnosticView) } } }, 304: unchanged }
    })
  }, async (request, reply) => {
    const found = await useCases.diagnostics(callerOf(request), request.query.namespace ?? null)
    const items = found.map(({ diagnostic, allowed }) => showDiagnostic(diagnostic, allowed))
    return sendTagged(request, reply as FastifyReply, { items, nextCursor: null })
  })

  app.get('/diagnostics/:name', {
    schema: operation({
      operationId: 'getDiagnostic',
      tag: 'diagnostics',
      summary: 'One diagnostic with the schemas of its parameters and report',
      params: Type.Object({ name: Type.String({ pattern: shortName, description: 'Name of the diagnostic' }) }),
      querystring: InNamespace,
      readsHeaders: readsHeaders('if-none-match'),
      codes: ['EPH_NOT_FOUND'],
      response: { 200: { description: 'The diagnostic', content: { 'application/json': { schema: DiagnosticView } } }, 304: unchanged }
    })
  }, async (request, reply) => {
    const { name } = request.params
    const all = await useCases.diagnostics(callerOf(request), request.query.namespace ?? null)
    const found = all.find(({ diagnostic }) => diagnostic.name === name)
    if (!found) throw new Problem('EPH_NOT_FOUND', `Cannot find the diagnostic "${name}"`)
    return sendTagged(request, reply as FastifyReply, showDiagnostic(found.diagnostic, found.allowed))
  })
}

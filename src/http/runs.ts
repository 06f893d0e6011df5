import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { RunFilterInput, toRunFilter } from '#core/filters.ts'
import { Run } from '#core/run.ts'
import { createTextEscape } from './escape-text.ts'
import { callerOf } from './identify.ts'
import { listRoute } from './list-route.ts'
import { negotiate } from './negotiate.ts'
import { operation, text } from './operation.ts'
import { IdPath, NoQuery, untilGone, type RoutesOptions } from './routes.ts'

const OutputQuery = Type.Object({
  stream: Type.Optional(Type.Enum(['stdout', 'stderr'], { default: 'stdout', description: 'Which output' })),
  follow: Type.Optional(Type.Boolean({ description: 'true: goes on until the run has ended' }))
}, { additionalProperties: false })

export const runRoutes: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases, closing }) => {
  listRoute(app, {
    url: '/runs',
    operationId: 'listRuns',
    tag: 'runs',
    summary: 'Find runs: what was executed in which pod',
    item: Run,
    filter: RunFilterInput,
    read: async (caller, filter, page) => useCases.runs(caller, toRunFilter(filter), page)
  })

  app.get('/runs/:id', {
    schema: operation({
      operationId: 'getRun',
      tag: 'runs',
      summary: 'Read a run',
      params: IdPath,
      querystring: NoQuery,
      codes: ['EPH_NOT_FOUND'],
      response: { 200: { description: 'The run', content: { 'application/json': { schema: Run } } } }
    })
  }, request => useCases.run(callerOf(request), request.params.id))

  app.get('/runs/:id/output', {
    exposeHeadRoute: false,
    schema: operation({
      operationId: 'readRunOutput',
      tag: 'runs',
      summary: 'Read what a tool wrote',
      description: 'As text with control characters made visible, or, with `Accept: application/octet-stream` and the right to payloads, byte by byte.',
      params: IdPath,
      querystring: OutputQuery,
      codes: ['EPH_NOT_FOUND'],
      response: {
        200: {
          description: 'What was stored',
          content: {
            'text/plain': { schema: text('UTF-8; control characters as \\xNN') },
            'application/octet-stream': { schema: text('The bytes as they came') }
          }
        }
      }
    })
  }, async (request, reply) => {
    const { stream = 'stdout', follow = false } = request.query
    const type = negotiate(request, reply, ['text/plain', 'application/octet-stream'])
    const raw = type === 'application/octet-stream'
    const { id } = request.params
    const { content } = await useCases.output(callerOf(request), id, { stream, raw, follow, signal: untilGone(request, closing) })
    const bytes = Readable.from(content, { objectMode: false })
    reply.header('cache-control', 'private, no-store').serializer(String)
    if (raw) return reply.type(type).header('content-disposition', `attachment; filename="${id}.${stream}"`).send(bytes)
    const escaped = createTextEscape()
    bytes.on('error', error => escaped.destroy(error)).pipe(escaped).on('close', () => bytes.destroy())
    return reply.type('text/plain; charset=utf-8').send(escaped)
  })
}

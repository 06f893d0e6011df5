import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { errorTable, Problem, type ErrorCode, type ErrorDefinition } from '#core/errors.ts'
import { statusOf } from '#core/problem-details.ts'
import { escapeHtml } from './escape-text.ts'
import { negotiate } from './negotiate.ts'
import { operation, text } from './operation.ts'
import { serializerFor } from './serialize-as.ts'

const Explanation = Type.Object({
  code: Type.String({ description: 'EPH_…' }),
  status: Type.Integer({ description: 'HTTP status of a request that fails with it' }),
  title: Type.String({ description: 'What it means' }),
  remedy: Type.String({ description: 'What the caller can do' }),
  retryable: Type.Enum(['no', 'later', 'now'], { description: 'Whether repeating may succeed' }),
  effect: Type.Enum(['none', 'unknown', 'done'], { description: 'What may have been left in a pod' })
}, { description: 'An error explained' })

const table: Record<string, ErrorDefinition> = errorTable

const html = (code: string, { title, remedy, retryable, effect }: ErrorDefinition) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escapeHtml(code)}</title>
<h1>${escapeHtml(code)}</h1><p>${escapeHtml(title)}.</p><p>${escapeHtml(remedy)}.</p>
<dl><dt>Retryable</dt><dd>${retryable}</dd><dt>Effect in the pod</dt><dd>${effect}</dd></dl></html>
`

export const problemRoutes: FastifyPluginAsyncTypebox = async app => {
  app.get('/problems/:code', {
    schema: operation({
      operationId: 'explainProblem',
      tag: 'problems',
      summary: 'What an error code means and what to do',
      security: [],
      params: Type.Object({ code: Type.String({ pattern: '^EPH_[A-Z_]{1,60}$', description: 'EPH_…' }) }),
      codes: ['EPH_INVALID_REQUEST', 'EPH_NOT_FOUND'],
      response: {
        200: {
          description: 'The explanation',
          content: {
            'application/json': { schema: Explanation },
            'text/html': { schema: text('As a page') },
            'text/plain': { schema: text('In a few lines') }
          }
        }
      }
    })
  }, async (request, reply) => {
    const { code } = request.params
    const definition = Object.hasOwn(table, code) ? table[code] : undefined
    if (!definition) throw new Problem('EPH_NOT_FOUND', `Cannot explain "${code}": there is no such code`)
    reply.header('cache-control', 'public, max-age=3600')
    const type = negotiate(request, reply, ['application/json', 'text/html', 'text/plain'])
    const { title, remedy, retryable, effect } = definition
    if (type === 'application/json') {
      return reply.type('application/json; charset=utf-8').serializer(serializerFor(reply, Explanation)).send({ code, status: statusOf(code as ErrorCode), title, remedy, retryable, effect })
    }
    const page = type === 'text/html' ? html(code, definition) : `${code}: ${title}\n${remedy}\nretryable: ${retryable}, effect: ${effect}\n`
    return reply.type(`${type}; charset=utf-8`).serializer(String).send(page)
  })
}

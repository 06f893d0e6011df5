import type { FastifyInstance, HTTPMethods } from 'fastify'
import { Problem } from '#core/errors.ts'

const methods: HTTPMethods[] = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']

/**
 * Answers 405 with Allow where an address exists for other methods, after the hooks of the scope. Answers how to close the table: called
 * after the last route of the scope, because only then the methods of every address are known.
 */
export function rememberMethods (app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const set = known.get(url) ?? new Set<string>()
    known.set(url, set)
    for (const name of [method].flat()) set.add(name)
  })
  return () => {
    for (const [url, allowed] of [...known]) {
      const others = methods.filter(method => !allowed.has(method))
      // A scope inside of this one has closed its own table.
      if (others.length === 0) continue
      const allow = [...allowed].sort().join(', ')
      app.route({
        url,
        method: others,
        schema: { hide: true },
        exposeHeadRoute: false,
        // Before the body is read: its content type is of no interest here.
        onRequest: async (request, reply) => {
          reply.header('allow', allow)
          throw new Problem('EPH_METHOD_NOT_ALLOWED', `Cannot ${request.method} here: this address knows ${allow}`)
        },
        handler: async () => null
      })
    }
  }
}

import type { FastifyInstance } from 'fastify'

/**
 * Once the service leaves, each answer says that its connection ends with it: a caller that keeps connections open comes back by another
 * one, at another replica, and never by one that is being closed.
 */
export function closeAnswered (app: FastifyInstance, leaving?: AbortSignal): void {
  let isClosing = false
  app.addHook('preClose', async () => { isClosing = true })
  app.addHook('onSend', async (_request, reply) => { if (isClosing || leaving?.aborted) reply.header('connection', 'close') })
}

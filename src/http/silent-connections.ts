import type { FastifyInstance } from 'fastify'
import type { Socket } from 'node:net'

/**
 * Clients open connections ahead of need. Node takes one that has not sent its first request for active, so closing would wait for it as
 * long as for a request.
 */
export function closeSilentConnections (app: FastifyInstance): void {
  const silent = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => { silent.delete(socket) })
  })
  app.server.on('request', ({ socket }: { socket: Socket }) => { silent.delete(socket) })
  app.server.on('upgrade', ({ socket }: { socket: Socket }) => { silent.delete(socket) })
  app.addHook('preClose', async () => { for (const socket of silent) socket.destroy() })
}

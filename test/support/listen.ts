import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'

/** Listens on loopback, at any port; for what must flow through a socket. */
export async function listen (app: FastifyInstance): Promise<{ origin: string, port: number }> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, port }
}

import type { FastifyInstance } from 'fastify'
import { Histogram, type Registry } from 'prom-client'

/** Requests by route, never by address: addresses would make a series each. */
export function countRequests (app: FastifyInstance, metrics: Registry): void {
  const duration = new Histogram({
    name: 'ephemera_http_request_seconds',
    help: 'Time until an answer was complete, by route and status; status 401 counts callers that could not be identified',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [metrics]
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000)
  })
}

import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { healthRoutes, type HealthChecks } from '#http/health.ts'
import { requestValidator } from '#http/request-validator.ts'

/** What a worker answers: probes and metrics. */
export async function buildWorkerApp (
  { checks, metrics, log }: { checks: HealthChecks, metrics: Registry, log: FastifyBaseLogger }
): Promise<FastifyInstance> {
  const app = Fastify({ loggerInstance: log })
  app.setValidatorCompiler(requestValidator)
  await app.register(healthRoutes, { checks, metrics })
  await app.ready()
  return app
}

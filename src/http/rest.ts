import type { FastifyPluginAsync } from 'fastify'
import { artifactContentRoute } from './artifact-content.ts'
import { artifactRoutes } from './artifacts.ts'
import { diagnosticRoutes } from './diagnostics.ts'
import { identityRoutes } from './identity.ts'
import { jobEventRoute } from './job-events.ts'
import { jobRoute } from './job.ts'
import { jobRoutes } from './jobs.ts'
import { notFound } from './problem-reply.ts'
import type { RoutesOptions } from './routes.ts'
import { runRoutes } from './runs.ts'
import { sessionRoutes } from './sessions.ts'
import { targetRoutes } from './targets.ts'

/** All calls under /v1; register it where callers are identified. */
export const restRoutes: FastifyPluginAsync<RoutesOptions> = async (app, { useCases, requestsPerMinute, closing }) => {
  // Not passed on as it came: it holds the prefix of this very registration.
  const options = { useCases, requestsPerMinute, closing }
  app.setNotFoundHandler(notFound)
  app.register(jobRoutes, options)
  app.register(jobRoute, options)
  app.register(jobEventRoute, options)
  app.register(sessionRoutes, options)
  app.register(runRoutes, options)
  app.register(artifactRoutes, options)
  app.register(artifactContentRoute, options)
  app.register(diagnosticRoutes, options)
  app.register(targetRoutes, options)
  app.register(identityRoutes, options)
}

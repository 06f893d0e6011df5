import closeWithGrace from 'close-with-grace'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { pino, type Logger } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Catalogue } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import { createAuthenticate } from '#auth/authenticate.ts'
import { record } from '#jobs/audit.ts'
import { createUseCases } from '#jobs/create-use-cases.ts'
import { createWorker } from '#jobs/worker.ts'
import { buildApp } from './app.ts'
import { readConfig, type Config } from './config.ts'
import { createCounters } from './counters.ts'
import { createOutages } from './outages.ts'
import { openResources, type Resources } from './resources.ts'
import { buildWorkerApp } from './worker-app.ts'

/** What closing takes beside the grace that tools get: their end, the last writes, and the embedded Postgres' checkpoint. */
const closingSeconds = 15

interface ServiceOptions {
  catalogue: Catalogue
  /** A worker measures, and answers probes only. */
  role: 'server' | 'worker'
}

interface Parts extends Resources {
  config: Config
  log: Logger
  metrics: Registry
  count: (name: string) => void
  /** Aborted when the service has been asked to stop. */
  leaving: AbortSignal
}

async function buildServer ({ config, context, checks, log, metrics, count, leaving }: Parts): Promise<FastifyInstance> {
  const { environment, auth, audiences, host } = config
  let localToken: string | undefined
  if (auth === 'local') {
    localToken = environment.EPHEMERA_TOKEN ?? randomBytes(24).toString('base64url')
    // Past the log, which others may read.
    if (!environment.EPHEMERA_TOKEN) process.stderr.write(`Token for http://${host}:${environment.EPHEMERA_PORT}: ${localToken}\n`)
  }
  return await buildApp({
    useCases: createUseCases(context),
    catalogue: context.catalogue,
    authenticate: createAuthenticate({ reviewer: context.reviewer, audiences, localToken, count }),
    audit: event => record(context, event),
    checks,
    log,
    metrics,
    leaving,
    requestsPerMinute: environment.EPHEMERA_REQUESTS_PER_MINUTE
  })
}

function demandStaying (leaving: AbortSignal): void {
  if (leaving.aborted) throw new Problem('EPH_SHUTDOWN', 'Cannot take more requests: the service stops')
}

async function listen (app: FastifyInstance, { host, environment: { EPHEMERA_PORT: port } }: Config): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new Error(`Cannot listen on ${host}:${port}: something else does; set EPHEMERA_PORT to another port`, { cause: error })
  }
}

async function start (config: Config, { catalogue, role }: ServiceOptions): Promise<void> {
  const { environment } = config
  const log = pino({ level: environment.EPHEMERA_LOG_LEVEL })
  for (const name of config.unknown) log.warn({ name }, 'This variable is no setting, and does nothing')
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  const count = createCounters(metrics)
  const resources = await openResources({ config, catalogue, log, count, outages: createOutages(metrics, log) })
  const leaving = new AbortController()
  const checks = { ...resources.checks, process: { check: async () => { demandStaying(leaving.signal) }, needed: true } }
  const parts = { ...resources, checks, config, log, metrics, count, leaving: leaving.signal }
  try {
    const app = role === 'server' ? await buildServer(parts) : await buildWorkerApp(parts)
    const worker = role === 'worker' || environment.EPHEMERA_WORK ? createWorker(resources.context) : null
    const leaveSeconds = role === 'server' ? environment.EPHEMERA_LEAVE_SECONDS : 0
    const graceSeconds = Math.max(leaveSeconds, environment.EPHEMERA_SHUTDOWN_GRACE_SECONDS)
    // A second signal ends it at once.
    closeWithGrace({ delay: (graceSeconds + closingSeconds) * 1000, logger: log }, async ({ err, signal }) => {
      if (err) log.fatal({ err }, 'Stopping, because of an error that nobody has met')
      else log.info({ signal }, 'Stopping')
      leaving.abort()
      const answered = delay(err ? 0 : leaveSeconds * 1000).then(() => app.close())
      await Promise.all([answered, worker?.stop()])
      await resources.close()
    })
    await listen(app, config)
    await worker?.start()
  } catch (error) {
    await resources.close()
    throw error
  }
}

/** Runs until a signal ends it: 0. What is wrong with the settings ends it with 78 (EX_CONFIG), what cannot be opened with 1. */
export async function runService (options: ServiceOptions): Promise<void> {
  let config: Config
  try {
    config = readConfig(process.env)
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\nEvery setting is explained in docs/reference/configuration.md\n`)
    process.exit(78)
  }
  try {
    await start(config, options)
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n`)
    process.exit(1)
  }
}

import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import { buildApp, type AppOptions } from '../../src/app.ts'
import { Problem } from '#core/errors.ts'
import type { AuditEvent } from '#core/ports/storage.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { fakeUseCases } from './fake-use-cases.ts'
import { principal, sampleCatalogue } from './samples.ts'

export const token = 'Bearer good'

export interface TestApp {
  app: FastifyInstance
  audited: AuditEvent[]
  logged: string[]
  /** A request of an identified caller. */
  call (request: InjectOptions): Promise<LightMyRequestResponse>
}

/** The real application over fake use cases. */
export async function build (t: Test, useCases: Partial<UseCases> = {}, options: Partial<AppOptions> = {}): Promise<TestApp> {
  const audited: AuditEvent[] = []
  const logged: string[] = []
  const app = await buildApp({
    useCases: fakeUseCases(useCases),
    catalogue: sampleCatalogue,
    authenticate: async ({ headers }) => {
      if (headers.authorization === token) return principal
      throw new Problem('EPH_UNAUTHENTICATED', 'Cannot identify the caller')
    },
    audit: async event => { audited.push(event) },
    checks: { database: { check: async () => {}, needed: true }, bucket: { check: async () => {}, needed: false } },
    log: pino({ level: 'info' }, { write: line => { logged.push(line) } }),
    ...options
  })
  t.teardown(() => app.close())
  return { app, audited, logged, call: request => app.inject({ ...request, headers: { authorization: token, ...request.headers } }) }
}

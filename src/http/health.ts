import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import type { Registry } from 'prom-client'
import { asProblem } from '#core/errors.ts'
import { operation, text } from './operation.ts'

/** `needed`: without it nearly every call fails; without the others most go on, and say so where they do not. */
export interface HealthCheck { check (): Promise<void>, needed: boolean }
export type HealthChecks = Record<string, HealthCheck>
export interface HealthOptions { checks: HealthChecks, metrics: Registry }

const checkMs = 3000

async function stateOf (check: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>(resolve => { timer = setTimeout(resolve, checkMs, `no answer within ${checkMs / 1000} s`) })
  try {
    return await Promise.race([check().then(() => 'ok'), late])
  } catch (error) {
    return asProblem(error).code
  } finally {
    clearTimeout(timer)
  }
}

const plain = (description: string) => ({ description, content: { 'text/plain': { schema: text(description) } } })

export const healthRoutes: FastifyPluginAsync<HealthOptions> = async (app, { checks, metrics }) => {
  for (const [url, operationId] of [['/livez', 'livez'], ['/healthz', 'healthz']] as const) {
    const schema = operation({
      operationId, tag: 'health', summary: 'Whether the process is alive', security: [], querystring: Type.Object({}), response: { 200: plain('ok') }
    })
    app.get(url, { schema, logLevel: 'warn' }, async (_request, reply) => reply.type('text/plain; charset=utf-8').serializer(String).send('ok\n'))
  }

  const readySchema = operation({
    operationId: 'readyz',
    tag: 'health',
    summary: 'Whether it can work: a line per dependency',
    security: [],
    description: 'Ready while the database and the API server answer: the bucket and the queue have lines, but most goes on without them. ' +
      'A process that was told to stop says no too, and answers other requests for a while.',
    response: { 200: plain('What is needed answers'), 503: plain('Something that is needed does not: name and code of each') }
  })
  app.get('/readyz', { schema: readySchema, logLevel: 'warn' }, async (_request, reply) => {
    const states = await Promise.all(Object.entries(checks).map(async ([name, { check, needed }]) =>
      ({ name, needed, state: await stateOf(check) })))
    const ready = states.every(({ state, needed }) => state === 'ok' || !needed)
    return reply.code(ready ? 200 : 503).type('text/plain; charset=utf-8').serializer(String)
      .send(states.map(({ name, state }) => `${name}: ${state}\n`).join(''))
  })

  const metricsSchema = operation({
    operationId: 'metrics', tag: 'health', summary: 'Metrics for Prometheus', security: [], response: { 200: plain('Text exposition format') }
  })
  app.get('/metrics', { schema: metricsSchema, logLevel: 'warn' }, async (_request, reply) =>
    reply.type(metrics.contentType).serializer(String).send(await metrics.metrics()))
}

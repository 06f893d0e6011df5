import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { HealthCheck } from '#http/health.ts'
import { build } from '../support/build-app.ts'

const well: HealthCheck = { check: async () => {}, needed: true }

t.test('probes answer without a token, in text', async t => {
  const { app } = await build(t)
  for (const url of ['/livez', '/healthz']) {
    const response = await app.inject({ url })
    t.match(response, { statusCode: 200, body: 'ok\n' })
    t.match(response.headers['content-type'], /^text\/plain/)
  }
  t.match(await app.inject({ url: '/readyz' }), { statusCode: 200, body: 'database: ok\nbucket: ok\n' })
})

t.test('readyz says of each dependency what is the matter, and nothing more', async t => {
  const refused = async () => { throw new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot reach the database at db.internal: refused') }
  const { app } = await build(t, {}, {
    checks: {
      database: { check: refused, needed: true },
      bucket: well,
      queue: { check: async () => { throw new Error('password=hunter2') }, needed: false }
    }
  })
  t.match(await app.inject({ url: '/readyz' }), { statusCode: 503, body: 'database: EPH_DATABASE_UNAVAILABLE\nbucket: ok\nqueue: EPH_INTERNAL\n' })
})

t.test('readyz stays ready without what is not needed, and says that it is away', async t => {
  const away: HealthCheck = { check: async () => { throw new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot reach the bucket') }, needed: false }
  const ready = await build(t, {}, { checks: { database: well, bucket: away } })
  t.match(await ready.app.inject({ url: '/readyz' }), { statusCode: 200, body: 'database: ok\nbucket: EPH_BUCKET_UNAVAILABLE\n' })
  const unready = await build(t, {}, { checks: { database: well, bucket: { ...away, needed: true } } })
  t.equal((await unready.app.inject({ url: '/readyz' })).statusCode, 503)
})

t.test('readyz does not wait for a dependency that never answers', async t => {
  const { app } = await build(t, {}, { checks: { database: { check: () => new Promise(() => {}), needed: true }, bucket: well } })
  t.match(await app.inject({ url: '/readyz' }), { statusCode: 503, body: 'database: no answer within 3 s\nbucket: ok\n' })
})

t.test('metrics count requests by route and status, never by address or caller', async t => {
  const { app, call } = await build(t)
  await call({ url: '/v1/jobs?namespace=shop' })
  await call({ url: '/v1/jobs/secret-name' })
  await app.inject({ url: '/v1/jobs' })
  await app.inject({ url: '/somewhere/else' })
  const { body, headers } = await app.inject({ url: '/metrics' })
  t.match(headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.match(body, /ephemera_http_request_seconds_count\{method="GET",route="\/v1\/jobs",status="200"\} 1/)
  t.match(body, /ephemera_http_request_seconds_count\{method="GET",route="\/v1\/jobs",status="401"\} 1/)
  t.match(body, /ephemera_http_request_seconds_count\{method="GET",route="\/v1\/jobs\/:id",status="400"\} 1/)
  t.match(body, /ephemera_http_request_seconds_count\{method="GET",route="none",status="404"\} 1/)
  t.notMatch(body, /secret-name|somewhere|ada/)
})

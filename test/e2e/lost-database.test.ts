import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres.ts'
import { labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const folder = await mkdtemp(join(tmpdir(), 'ephemera-test-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
let postgres = await startEmbeddedPostgres({ folder })
t.teardown(() => postgres.stop())
const service = await startService({ env: { ...labEnvironment(), DATABASE_URL: postgres.url } })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const body = { diagnostic: 'dns-lookup', target: { namespace, pod }, params: { names: ['web.shop'] } }

const metric = async (name: string) =>
  Number(new RegExp(`^${name} (\\d+)`, 'm').exec(await (await fetch(`${service.url}/metrics`)).text())?.[1])

t.test('without Postgres nothing is acknowledged, nothing is touched, and lost audit rows are counted and logged', async t => {
  await postgres.stop()
  const lost = await metric('ephemera_audit_rows_lost_total')
  const answer = await service.call('POST', '/v1/jobs', { body })
  t.equal(answer.status, 503)
  t.match(answer.headers.get('content-type'), /^application\/problem\+json/)
  t.match(answer.body, { code: 'EPH_DATABASE_UNAVAILABLE', retryable: 'later', effect: 'none' })
  t.ok(Number(answer.headers.get('retry-after')) > 0)
  t.ok(await metric('ephemera_audit_rows_lost_total') > lost)
  t.match(service.log(), /"audit":\{.*"action":"launch".*Cannot write an audit row/)
  t.match(await (await fetch(`${service.url}/readyz`)).text(), /database: EPH_DATABASE_UNAVAILABLE/)
  t.equal((await fetch(`${service.url}/livez`)).status, 200)
  t.equal(readPod(namespace, pod).spec.ephemeralContainers, undefined)
})

t.test('when Postgres is back everything works again by itself', async t => {
  postgres = await startEmbeddedPostgres({ folder })
  for (let tries = 0; tries < 50 && !(await fetch(`${service.url}/readyz`)).ok; tries++) await new Promise(resolve => setTimeout(resolve, 200))
  t.match(await service.launch(body, { prefer: 'wait=50' }), { state: 'succeeded', verdict: 'pass' })
})

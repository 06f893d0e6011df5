import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres.ts'
import { untilToolsEnded } from '../support/container-processes.ts'
import { labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const folder = await mkdtemp(join(tmpdir(), 'ephemera-test-'))
t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
let postgres = await startEmbeddedPostgres({ folder })
t.teardown(() => postgres.stop())
const service = await startService({ env: { ...labEnvironment(), DATABASE_URL: postgres.url, EPHEMERA_STALL_SECONDS: '3' } })
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

t.test('while it is away nobody waits for it, and the log stays calm', async t => {
  await until(async () => await metric('ephemera_dependency_up\\{dependency="database"\\}') === 0)
  const answers = await Promise.all(Array.from({ length: 50 }, () => service.call('POST', '/v1/jobs', { body })))
  for (const { status } of answers) t.equal(status, 503)
  await new Promise(resolve => setTimeout(resolve, 3000)) // the worker sweeps each second
  for (const line of [/"dependency":"database","reason"/g, /"msg":"Cannot sweep/g, /"msg":"Cannot claim/g]) {
    t.ok((service.log().match(line)?.length ?? 0) <= 1, `${line}`)
  }
})

t.test('when Postgres is back everything works again by itself', async t => {
  postgres = await startEmbeddedPostgres({ folder })
  for (let tries = 0; tries < 50 && !(await fetch(`${service.url}/readyz`)).ok; tries++) await new Promise(resolve => setTimeout(resolve, 200))
  t.match(await service.launch(body, { prefer: 'wait=50' }), { state: 'succeeded', verdict: 'pass' })
})

t.test('a capture under way ends closed: its tool stops, and what was stored stays', async t => {
  const ticks = ['sh', '-c', 'echo listening >&2; while :; do echo tick; sleep 0.05; done']
  const job = await service.launch({ diagnostic: 'test-capture', image: 'toolbox-test', target: body.target, params: { argv: ticks } })
  await until(async () => await service.storedBytes(job.id) > 0)
  await postgres.stop()
  await untilToolsEnded(namespace, pod, { seconds: 30 })
  postgres = await startEmbeddedPostgres({ folder })
  const done = await service.final(job.id, 90)
  t.match(done, { state: 'failed', verdict: null, pods: { items: [{ error: { code: 'EPH_STORE_STALLED' } }] } })
  const [run] = done.pods.items[0]!.runs
  t.same(run!.completeness, { state: 'truncated', reason: 'backpressure' })
  const { id, sizeBytes } = run!.artifacts[0]!
  t.ok(sizeBytes > 0)
  t.equal((await service.bytes(`/v1/artifacts/${id}/content`)).length, sizeBytes)
})

import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { Job } from '#core/job.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startPooler } from '../support/pooler.ts'
import { connect } from '../support/postgres.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { startRedis } from '../support/redis.ts'
import { startS3 } from '../support/s3.ts'
import { startService } from '../support/service.ts'
import { makeSmallDisk } from '../support/small-disk.ts'
import { until } from '../support/until.ts'

// As operators have it: Redis, a bucket, and Postgres behind a pooler. And a disk of no use.
const disk = await makeSmallDisk(t, 1)
disk.fill()
const s3 = await startS3(t)
const redis = await startRedis(t)
const direct = await startPostgresServer(t, '127.0.0.1')
await (await connect(t, direct)).query('ALTER ROLE ephemera SET timezone = \'UTC\'')
const service = await startService({
  env: {
    ...labEnvironment(),
    ...s3.environment,
    REDIS_URL: redis.url,
    DATABASE_URL: await startPooler(t, direct),
    DATABASE_DIRECT_URL: direct,
    EPHEMERA_DATA_DIR: disk.folder,
    TMPDIR: disk.folder,
    HOME: disk.folder
  }
})
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const target = { namespace, pod: makePod(namespace) }

const metric = async (name: string) =>
  Number(new RegExp(`^${name} (\\d+)`, 'm').exec(await (await fetch(`${service.url}/metrics`)).text())?.[1])
const isUp = () => metric('ephemera_dependency_up\\{dependency="queue"\\}')

/** Accepted at once, and measured once each. */
async function measures (t: Test, jobs: number): Promise<void> {
  const body = { diagnostic: 'dns-lookup', target, params: { names: ['web.shop'] } }
  const accepted = await Promise.all(Array.from({ length: jobs }, () => service.call<Job>('POST', '/v1/jobs', { body })))
  for (const { status } of accepted) t.equal(status, 202)
  for (const { body: { id } } of accepted) {
    const job = await service.final(id, 60)
    t.match(job, { state: 'succeeded', verdict: 'pass' })
    t.ok(job.pods.items[0]!.runs.every(({ attempt }) => attempt === 1), 'in one attempt')
  }
}

async function readiness (t: Test, state: string): Promise<void> {
  const ready = await fetch(`${service.url}/readyz`)
  t.equal(ready.status, 200, 'all goes on without it')
  t.match(await ready.text(), `queue: ${state}\n`)
}

t.test('no disk is needed, also not for captures', async t => {
  const argv = ['sh', '-c', 'echo listening >&2; yes | head -c 20000000; sleep 100']
  const params = { argv, durationSeconds: 90 }
  const { id } = await service.launch({ diagnostic: 'test-capture', image: 'toolbox-test', target, params })
  await until(async () => await service.storedBytes(id) === 20_000_000)
  await service.call('POST', `/v1/jobs/${id}/finish`)
  const job = await service.final(id)
  t.match(job, { state: 'succeeded', verdict: 'pass' }, JSON.stringify(job.pods.items[0]!.error))
  const [artifact] = job.pods.items[0]!.runs[0]!.artifacts
  t.match(artifact, { sizeBytes: 20_000_000 })
  t.equal((await service.bytes(`/v1/artifacts/${artifact!.id}/content`)).length, 20_000_000)
})

t.test('without Redis jobs are accepted and measured, and it is said once', async t => {
  await redis.stop()
  const lost = await metric('ephemera_rings_lost_total')
  for (let round = 0; round < 3; round++) await measures(t, 4)
  await until(async () => await metric('ephemera_rings_lost_total') === lost + 12)
  t.equal(await isUp(), 0)
  await readiness(t, 'EPH_QUEUE_UNAVAILABLE')
  for (const line of [/"msg":"Cannot reach Redis/g, /"msg":"Cannot ring for work/g, /"dependency":"queue","reason"/g]) t.equal(service.log().match(line)?.length, 1)
})

t.test('a Redis that was started anew, with nothing in it, wakes again', async t => {
  await redis.start()
  await until(async () => await isUp() === 1)
  await readiness(t, 'ok')
  const lost = await metric('ephemera_rings_lost_total')
  await measures(t, 4)
  t.equal(await metric('ephemera_rings_lost_total'), lost)
})

t.test('a Redis that loses its last writes, or all of them, costs nobody anything', async t => {
  const admin = new Redis(redis.url)
  t.teardown(() => admin.disconnect())
  const forgetting = setInterval(() => { admin.flushall().catch(() => {}) }, 5)
  t.teardown(() => { clearInterval(forgetting) })
  for (let round = 0; round < 3; round++) await measures(t, 4)
})

t.test('a full Redis takes nothing, which is said; jobs are accepted and measured', async t => {
  const admin = new Redis(redis.url)
  t.teardown(() => admin.disconnect())
  await admin.config('SET', 'maxmemory', '1')
  await measures(t, 4)
  await readiness(t, 'EPH_QUEUE_UNAVAILABLE')
  await admin.config('SET', 'maxmemory', '0')
  await until(async () => (await (await fetch(`${service.url}/readyz`)).text()).includes('queue: ok'))
  await measures(t, 1)
})

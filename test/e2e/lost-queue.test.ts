import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import type { Job } from '#core/job.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startRedis } from '../support/redis.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const redis = await startRedis(t)
const service = await startService({ env: { ...labEnvironment(), REDIS_URL: redis.url } })
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

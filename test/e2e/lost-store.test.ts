import t from 'tap'
import type { Job } from '#core/job.ts'
import { untilToolsEnded } from '../support/container-processes.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startS3 } from '../support/s3.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const s3 = await startS3(t)
const proxy = await createFaultProxy(t, { host: '127.0.0.1', port: s3.port })
const limits = Object.fromEntries(['CALLER', 'NAMESPACE', 'NODE', 'CAPTURES'].map(name => [`EPHEMERA_LIMIT_${name}`, '64']))
const service = await startService({
  env: { ...labEnvironment(), ...limits, ...s3.environment, S3_ENDPOINT: `http://127.0.0.1:${proxy.port}`, EPHEMERA_STALL_SECONDS: '4' }
})
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const target = { namespace, pod }
const flood = ['sh', '-c', 'echo listening >&2; while :; do echo 0123456789012345678901234567890123456789; done']

/** As fast as it can be read. */
const deluge = ['sh', '-c', 'echo listening >&2; cat /dev/zero']

const launch = (argv = flood) => service.launch({ diagnostic: 'test-capture', image: 'toolbox-test', target, params: { argv } })
const listening = (job: Job) => service.events(job.id, event => event.type === 'run' && event.data.phase === 'listening')

t.test('captures go into the bucket and come back from it', async t => {
  const job = await launch()
  await listening(job)
  await new Promise(resolve => setTimeout(resolve, 3000))
  await service.call('POST', `/v1/jobs/${job.id}/finish`)
  const [run] = (await service.final(job.id)).pods.items[0]!.runs
  t.same(run!.completeness, { state: 'complete', reason: null })
  t.equal((await service.bytes(`/v1/artifacts/${run!.artifacts[0]!.id}/content`)).length, run!.artifacts[0]!.sizeBytes)
})

t.test('a store that takes nothing holds captures back in bounded memory, then ends them with what was stored', async t => {
  const idle = service.rss()
  const jobs = await Promise.all(Array.from({ length: 16 }, () => launch(deluge)))
  for (const job of jobs) await until(async () => await service.storedBytes(job.id) > 0)
  proxy.blackhole()
  const ended = await Promise.all(jobs.map(({ id }) => service.final(id, 60)))
  t.ok(service.peakRss() - idle < 200e6, `${Math.round((service.peakRss() - idle) / 1e6)} MB above what it was`)
  proxy.heal()
  proxy.cut()
  for (const done of ended) {
    t.match(done, { state: 'failed', verdict: null, pods: { items: [{ error: { code: 'EPH_STORE_STALLED', message: /took no bytes for 4 s/ } }] } })
    const [run] = done.pods.items[0]!.runs
    t.same(run!.completeness, { state: 'truncated', reason: 'backpressure' })
    const [artifact] = run!.artifacts
    t.ok(artifact!.sizeBytes > 0)
    t.equal((await service.bytes(`/v1/artifacts/${artifact!.id}/content`)).length, artifact!.sizeBytes)
  }
  await untilToolsEnded(namespace, pod, { seconds: 10 })
})

t.test('cancel while the store is stalled ends within 2 s, 100 of 100', async t => {
  const batch = 10
  let inTime = 0
  for (let round = 0; round < 100 / batch; round++) {
    const jobs = await Promise.all(Array.from({ length: batch }, () => launch()))
    await Promise.all(jobs.map(listening))
    proxy.blackhole()
    await new Promise(resolve => setTimeout(resolve, 500))
    await Promise.all(jobs.map(async job => {
      const asked = performance.now()
      await service.call('POST', `/v1/jobs/${job.id}/cancel`)
      const ended = await service.final(job.id, 20)
      const took = performance.now() - asked
      if (ended.state === 'cancelled' && took <= 2000) inTime++
      else t.comment(`${ended.state} after ${Math.round(took)} ms`)
    }))
    proxy.heal()
    proxy.cut()
  }
  t.equal(inTime, 100)
  await untilToolsEnded(namespace, pod, { seconds: 5 })
})

t.test('without a bucket artifacts answer 503, and diagnostics without artifacts work on', async t => {
  const job = await launch()
  await listening(job)
  await service.call('POST', `/v1/jobs/${job.id}/finish`)
  const [run] = (await service.final(job.id)).pods.items[0]!.runs
  proxy.refuse(true)
  proxy.cut()
  const answer = await service.call('GET', `/v1/artifacts/${run!.artifacts[0]!.id}/content`)
  t.equal(answer.status, 503)
  t.match(answer.headers.get('content-type'), /^application\/problem\+json/)
  t.match(answer.body, { code: 'EPH_BUCKET_UNAVAILABLE' })
  const ready = await fetch(`${service.url}/readyz`)
  t.equal(ready.status, 200, 'most goes on without it')
  t.match(await ready.text(), /bucket: EPH_BUCKET_UNAVAILABLE/)
  const lookup = await service.launch({ diagnostic: 'dns-lookup', target, params: { names: ['web.shop'] } }, { prefer: 'wait=50' })
  t.equal(lookup.state, 'succeeded')
  proxy.refuse(false)
})

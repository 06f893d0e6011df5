import t, { type Test } from 'tap'
import type { Job } from '#core/job.ts'
import { auditRows } from '../support/audit-rows.ts'
import { labServer } from '../support/cluster.ts'
import { untilToolsEnded } from '../support/container-processes.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { kubeconfigThrough } from '../support/kubeconfig-through.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const proxy = await createFaultProxy(t, labServer())
const service = await startService({ env: { ...labEnvironment(), EPHEMERA_KUBECONFIG: kubeconfigThrough(t, proxy.port) } })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const target = { namespace, pod }
const ticks = ['sh', '-c', 'echo listening >&2; while :; do echo tick; sleep 0.05; done']

/** A capture that has stored something and goes on. */
async function capturing (): Promise<Job> {
  const job = await service.launch({ diagnostic: 'test-capture', image: 'toolbox-test', target, params: { argv: ticks } })
  await until(async () => await service.storedBytes(job.id) > 0)
  return job
}

async function keptOf (t: Test, done: Job): Promise<number> {
  const [run] = done.pods.items[0]!.runs
  const [artifact] = run!.artifacts
  const content = await service.bytes(`/v1/artifacts/${artifact!.id}/content`)
  t.equal(content.length, artifact!.sizeBytes)
  t.equal(run!.streams[0]?.receivedBytes, content.length, 'all bytes that arrived are kept')
  return content.length
}

t.test('a cut socket ends a capture as indeterminate, keeps what came, and leaves no tool', async t => {
  const job = await capturing()
  proxy.cut()
  const done = await service.final(job.id, 60)
  t.match(done, { state: 'failed', verdict: null, pods: { items: [{ error: { code: 'EPH_INDETERMINATE', effect: 'unknown' } }] } })
  t.same(done.pods.items[0]!.runs[0]!.completeness, { state: 'truncated', reason: 'disconnected' })
  t.ok(await keptOf(t, done) >= 5)
  await untilToolsEnded(namespace, pod, { seconds: 60 })
})

t.test('a cut socket costs a diagnostic that may be repeated nothing but a second run', async t => {
  const job = await service.launch({ diagnostic: 'test-run', image: 'toolbox-test', target, params: { argv: ['sh', '-c', 'sleep 3; echo done'] } })
  await service.events(job.id, event => event.type === 'run' && event.data.phase === 'started')
  proxy.cut()
  const done = await service.final(job.id, 60)
  t.match(done, { state: 'succeeded', verdict: 'pass' })
  t.same(done.pods.items[0]!.runs.map(({ attempt, completeness }) => ({ attempt, completeness })), [
    { attempt: 1, completeness: { state: 'truncated', reason: 'disconnected' } },
    { attempt: 2, completeness: { state: 'complete', reason: null } }
  ])
})

t.test('a connection that swallows everything ends the same way on both ends', async t => {
  const job = await capturing()
  proxy.blackhole()
  // The connections that were open stay half open; new ones find an API server that answers, as callers' rights are asked there.
  proxy.heal()
  const since = performance.now()
  const toolsEnded = untilToolsEnded(namespace, pod, { seconds: 75 })
  const done = await service.final(job.id, 120)
  t.comment(`recorded ${Math.round((performance.now() - since) / 1000)} s after, tools ended ${Math.round(await toolsEnded / 1000)} s after`)
  proxy.cut()
  t.match(done, { state: 'failed', pods: { items: [{ error: { code: 'EPH_INDETERMINATE', effect: 'unknown' } }] } })
  t.same(done.pods.items[0]!.runs[0]!.completeness, { state: 'truncated', reason: 'disconnected' })
  t.ok(await keptOf(t, done) >= 5)
})

t.test('without an API server launches answer 503 and leave a row', async t => {
  proxy.refuse(true)
  proxy.cut()
  const body = { diagnostic: 'dns-lookup', target, params: { names: ['web.shop'] } }
  const answer = await service.call('POST', '/v1/jobs', { body })
  t.equal(answer.status, 503)
  t.match(answer.body, { code: 'EPH_CLUSTER_UNAVAILABLE', retryable: 'later', effect: 'none' })
  t.ok(Number(answer.headers.get('retry-after')) > 0)
  const ready = await fetch(`${service.url}/readyz`)
  t.equal(ready.status, 503)
  t.match(await ready.text(), /cluster: EPH_CLUSTER_UNAVAILABLE/)
  t.match((await auditRows(service.dataDir)).at(-1), { action: 'launch', outcome: 'failed', namespace, code: 'EPH_CLUSTER_UNAVAILABLE' })
  proxy.refuse(false)
  await until(async () => (await fetch(`${service.url}/readyz`)).ok)
  t.equal((await service.launch(body, { prefer: 'wait=50' })).state, 'succeeded', 'and works again by itself')
})

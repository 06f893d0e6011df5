import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Job } from '#core/job.ts'
import { createApiServerProxy, isExec, isPatch, isReview, type Call } from '../support/api-server-proxy.ts'
import { kubectl, labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const proxy = await createApiServerProxy(t)
const service = await startService({ env: { ...labEnvironment(), EPHEMERA_KUBECONFIG: proxy.kubeconfig } })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pods = Array.from({ length: 6 }, () => makePod(namespace, { wait: false }))
kubectl('wait', '-n', namespace, '--for=condition=Ready', '--timeout=60s', ...pods.map(pod => `pod/${pod}`))

const body = (pod: string) => ({ diagnostic: 'dns-lookup', target: { namespace, pod }, params: { names: ['web.shop'] } })
const measured = (pod: string): Promise<Job> => service.launch(body(pod), { prefer: 'wait=50' })
const containers = (pod: string): number => readPod(namespace, pod).spec.ephemeralContainers?.length ?? 0
const of = (pod: string, fits: (call: Call) => boolean) => (call: Call) => fits(call) && call.path.includes(`/pods/${pod}/`)
const callsOf = (pod: string, fits: (call: Call) => boolean) => proxy.calls.filter(of(pod, fits))
const isRead = ({ method, path, query }: Call) => method === 'GET' && !query.has('watch') && path !== '/version'

t.test('an injection whose answer is late, lost or an error leaves one container', async t => {
  const [lost, refused, silent, busy] = pods as [string, string, string, string]
  proxy.fail(of(lost, isPatch), { status: 500, carriedOut: true }, 1)
  proxy.fail(of(refused, isPatch), { status: 500 }, 2)
  proxy.fail(of(silent, isPatch), { status: null, carriedOut: true }, 1)
  proxy.fail(of(busy, isPatch), { status: 429, retryAfterSeconds: 1 }, 1)
  proxy.fail(of(busy, isExec), { status: 429, retryAfterSeconds: 1 }, 2)
  for (const job of await Promise.all([lost, refused, silent, busy].map(measured))) t.match(job, { state: 'succeeded', verdict: 'pass' })
  for (const pod of [lost, refused, silent, busy]) t.equal(containers(pod), 1, pod)
  t.same([lost, refused, silent, busy].map(pod => callsOf(pod, isPatch).length), [1, 3, 1, 2])
  for (const fits of [isPatch, isExec]) {
    const [first, second] = callsOf(busy, fits)
    t.ok(second!.at - first!.at >= 1000, 'it comes back when it was told to')
  }
  proxy.heal()
})

t.test('reads that fail now and then cost nothing but time', async t => {
  let nth = 0
  proxy.fail(call => isRead(call) && ++nth % 2 === 0, { status: 500 })
  t.match(await measured(pods[4]!), { state: 'succeeded', verdict: 'pass' })
  t.ok(nth > 2)
  proxy.heal()
})

t.test('rights that nobody answers for are none: 503, soon, and nothing is touched', async t => {
  proxy.fail(isReview, { delayMs: 10_000 })
  const since = performance.now()
  // Of a namespace that nobody has asked about: an answer is believed for 10 s.
  const answer = await service.call('POST', '/v1/jobs', { body: { ...body('web'), target: { namespace: 'default', pod: 'web' } } })
  t.equal(answer.status, 503)
  t.match(answer.body, { code: 'EPH_CLUSTER_UNAVAILABLE', effect: 'none' })
  t.ok(Number(answer.headers.get('retry-after')) > 0)
  t.ok(performance.now() - since < 8000)
  proxy.heal()
})

t.test('a job that was accepted waits for an API server that is away, and uses up no attempts', async t => {
  await until(async () => (await fetch(`${service.url}/readyz`)).ok)
  const pod = pods[5]!
  proxy.fail(of(pod, isPatch), { status: 503, delayMs: 1000 }, 1) // so that the first attempt meets what follows
  const { id } = await service.launch(body(pod))
  proxy.fail(() => true, { status: 503 })
  await until(async () => /ephemera_dependency_up\{dependency="cluster"\} 0/.test(await (await fetch(`${service.url}/metrics`)).text()))
  const ready = await fetch(`${service.url}/readyz`)
  t.equal(ready.status, 503)
  t.match(await ready.text(), /cluster: EPH_CLUSTER_UNAVAILABLE/)
  const before = proxy.calls.length
  for (let nth = 0; nth < 30; nth++) t.equal((await service.call('POST', '/v1/jobs', { body: body(pod) })).status, 503)
  t.ok(proxy.calls.length - before < 30, `${proxy.calls.length - before} calls to a server that is away`)
  await sleep(5000)
  proxy.heal()
  const done = await service.final(id, 60)
  t.match(done, { state: 'succeeded', verdict: 'pass' })
  t.ok(done.pods.items[0]!.runs[0]!.attempt > 1)
  t.equal(containers(pod), 1)
  t.equal(service.log().match(/"dependency":"cluster","reason"/g)?.length, 1, 'one line')
})

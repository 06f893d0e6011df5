import t from 'tap'
import type { Job } from '#core/job.ts'
import { inNetworkOf } from '../support/container-processes.ts'
import { apply, kubectl, labEnvironment, makeNamespace, makePod, makeService, readPod, untilServed } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const [good, twin] = ['good', 'good'].map(app => makePod(namespace, { labels: { app, set: 'both' } }))
/** Its container is ready, but listens elsewhere. */
const bad = makePod(namespace, { labels: { app: 'bad', set: 'half' }, container: { args: ['-http=:8181'] } })
makePod(namespace, { labels: { app: 'half', set: 'half' } })
/** Never ready. */
const readinessProbe = { httpGet: { path: '/healthz', port: 1 }, periodSeconds: 1 }
const waiting = makePod(namespace, { labels: { app: 'waiting' }, container: { readinessProbe }, wait: false })

const check = (name: string, rest: Record<string, unknown> = {}): Promise<Job> =>
  service.launch({ diagnostic: 'service-check', target: { namespace, pod }, params: { service: { namespace, name }, waitSeconds: 1, ...rest } }, { prefer: 'wait=50' })
const codesOf = ({ findings }: Job) => findings.map(({ code }) => code)
const reportOf = (job: Job) => job.pods.items[0]?.report

t.test('a Service that is in order passes, with the names of its pods', async t => {
  const job = await check(makeService(namespace, { name: 'all-good', selector: { set: 'both' }, endpoints: 2 }))
  t.match(job, { state: 'succeeded', verdict: 'pass', findings: [] })
  const report = reportOf(job) as { ports: { endpoints: { pod: { name: string } }[] }[] }
  t.match(report, {
    matchedPods: 2, notReadyPods: [], ports: [{ declaredBy: 2, readyEndpoints: 2, service: [{ outcome: 'open', service: { namespace, name: 'all-good' } }], notTried: [] }]
  })
  t.same(report.ports[0]?.endpoints.map(({ pod }) => pod.name).sort(), [good, twin].sort())
})

t.test('no ready endpoint, and a selector that matches nothing', async t => {
  kubectl('wait', '-n', namespace, '--for=jsonpath={.status.phase}=Running', `pod/${waiting}`, '--timeout=60s')
  const none = await check(makeService(namespace, { selector: { app: 'waiting' }, endpoints: 0 }))
  t.match(none, { verdict: 'fail', findings: [{ code: 'SERVICE_NO_ENDPOINTS', data: { notReadyPods: [waiting] } }] })
  t.same(codesOf(none), ['SERVICE_NO_ENDPOINTS'])
  const nothing = await check(makeService(namespace, { selector: { app: 'nobody' }, endpoints: 0 }))
  t.match(nothing, { verdict: 'fail', findings: [{ code: 'SERVICE_SELECTOR_MATCHES_NOTHING' }] })
})

t.test('a wrong targetPort, by number and by name', async t => {
  const ports = (targetPort: number | string) => ({ ports: [{ port: 80, targetPort }] })
  const number = await check(makeService(namespace, { selector: { set: 'both' }, spec: ports(9999), endpoints: 2 }))
  t.match(number, { verdict: 'fail', findings: [{ code: 'SERVICE_PORT_MISMATCH', data: { targetPort: '9999' }, evidence: [{}, {}] }] })
  const name = await check(makeService(namespace, { selector: { set: 'both' }, spec: ports('web') }))
  t.match(name, { verdict: 'fail', findings: [{ code: 'SERVICE_PORT_MISMATCH', message: /named "web"/ }] })
  t.same(codesOf(await check('all-good', { port: 81 })), ['SERVICE_PORT_UNKNOWN'])
  const undeclared = await check(makeService(namespace, { selector: { set: 'both' }, spec: ports(8443), endpoints: 2 }))
  t.match(undeclared, { verdict: 'pass', findings: [{ code: 'SERVICE_PORT_UNDECLARED', severity: 'info' }] }, 'open without being declared')
})

t.test('one bad endpoint, and none that answers', async t => {
  const half = await check(makeService(namespace, { selector: { set: 'half' }, endpoints: 2 }))
  t.match(half, { verdict: 'fail', findings: [{ code: 'SERVICE_ENDPOINT_FAILED', data: { failed: [{ pod: { namespace, name: bad }, ip: readPod(namespace, bad).status.podIP }] } }] })
  const all = await check(makeService(namespace, { selector: { app: 'bad' }, endpoints: 1 }))
  t.same(codesOf(all), ['SERVICE_ENDPOINTS_FAILED'])
})

t.test('the address of the Service fails, though its endpoints answer', async t => {
  const name = makeService(namespace, { selector: { set: 'both' }, endpoints: 2 })
  const clusterIP = kubectl('get', 'service', '-n', namespace, name, '-o', 'jsonpath={.spec.clusterIP}')
  t.match(await check(name), { verdict: 'pass' })
  inNetworkOf(namespace, pod, ['iptables', '-A', 'OUTPUT', '-d', clusterIP, '-j', 'DROP'])
  t.match(await check(name), { verdict: 'fail', findings: [{ code: 'SERVICE_IP_FAILED', message: /timed out/ }] })
})

t.test('headless, without selector, another name, and pods published before they are ready', async t => {
  const headless = await check(makeService(namespace, { selector: { set: 'both' }, spec: { clusterIP: 'None' }, endpoints: 2 }))
  t.match(headless, { verdict: 'pass', findings: [] })
  t.match(reportOf(headless), { headless: true, ports: [{ service: [], endpoints: [{ outcome: 'open' }, { outcome: 'open' }] }] })

  const manual = makeService(namespace, { name: 'manual' })
  apply({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: manual, labels: { 'kubernetes.io/service-name': manual } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [readPod(namespace, good!).status.podIP] }],
    ports: [{ name: '', port: 8080, protocol: 'TCP' }]
  })
  untilServed(namespace, manual, 1)
  const kept = await check(manual)
  t.match(kept, { verdict: 'pass', findings: [] })
  t.match(reportOf(kept), { hasSelector: false, matchedPods: 0, ports: [{ readyEndpoints: 1, endpoints: [{ outcome: 'open', pod: { name: good } }] }] })
  t.same(codesOf(await check(makeService(namespace))), ['SERVICE_NO_ENDPOINTS'])

  const alias = await check(makeService(namespace, { spec: { type: 'ExternalName', externalName: 'orders.shop.svc.cluster.local', ports: [] } }))
  t.match(alias, { verdict: 'pass', findings: [{ code: 'SERVICE_IS_ALIAS', data: { externalName: 'orders.shop.svc.cluster.local' } }] })

  const published = await check(makeService(namespace, { selector: { app: 'waiting' }, spec: { publishNotReadyAddresses: true }, endpoints: 1 }))
  t.match(published, { verdict: 'warn', findings: [{ code: 'SERVICE_PODS_NOT_READY' }] }, 'it listens, but is not ready')
})

t.test('the DNS of the cluster, whose ports are of both protocols, passes', async t => {
  const params = { service: { namespace: 'kube-system', name: 'kube-dns' } }
  const job = await service.launch({ diagnostic: 'service-check', target: { namespace, pod }, params }, { prefer: 'wait=50' })
  t.match(job, { state: 'succeeded' })
  t.notOk(codesOf(job).some(code => /FAILED|MISMATCH|NO_ENDPOINTS|NOT_TRIED/.test(code)), codesOf(job).join())
})

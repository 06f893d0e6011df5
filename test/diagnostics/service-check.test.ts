import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import type { EndpointSummary, ServicePort } from '#core/objects.ts'
import { rightOf } from '#core/reading.ts'
import type { PodSummary } from '#core/target.ts'
import serviceCheck from '../../src/diagnostics/service-check.ts'
import { measure } from '../support/measure.ts'
import { examplePod, exampleService, recordedProbe, type RecordedWorld } from '../support/recorded-probe.ts'
import { recordedText } from '../support/recorded.ts'

const input = { service: { namespace: 'shop', name: 'orders' } }
const nc = (recording: string) => ({ stderr: recordedText(`nc-${recording}.stderr.txt`), exitCode: recording === 'open' ? 0 : 1 })
const servicePort = (targetPort: number | string, rest: Partial<ServicePort> = {}): ServicePort =>
  ({ name: null, port: 80, protocol: 'TCP', targetPort, nodePort: null, ...rest })
const endpoint = (ip: string, rest: Partial<EndpointSummary> = {}): EndpointSummary =>
  ({ ip, ready: true, terminating: false, pod: null, node: null, ports: [{ name: null, port: 8080, protocol: 'TCP' }], ...rest })
const orders = (name: string, rest: Partial<PodSummary> = {}): PodSummary => examplePod({
  name,
  labels: { app: 'orders' },
  containers: [{ name: 'app', image: 'orders:1', ports: [{ name: 'http', port: 8080, protocol: 'TCP' }], running: true, memoryLimitBytes: null }],
  ...rest
})

/** A Service with two pods and all in order, but for what a test says. */
const world = (rest: RecordedWorld = {}): RecordedWorld => ({
  services: [exampleService({ ports: [servicePort('http')] })],
  endpoints: { 'shop/orders': [endpoint('10.244.0.6'), endpoint('10.244.0.7')] },
  pods: [orders('orders-1'), orders('orders-2'), examplePod({ name: 'other' })],
  ...rest
})
const check = (outcomes: string[], rest: RecordedWorld = {}, params: Record<string, unknown> = input) =>
  measure(serviceCheck, params, outcomes.map(nc), world(rest))

t.test('a Service that is in order passes: its address first, then each endpoint', async t => {
  const names = { '10.244.0.6': { pod: { namespace: 'shop', name: 'orders-1' }, node: 'node-1' }, '10.96.0.20': { service: input.service } }
  const { verdict, codes, argvs, report } = await check(['open', 'open', 'open'], { names })
  t.match({ verdict, codes }, { verdict: 'pass', codes: [] })
  t.same(argvs.map(argv => argv.slice(-2).join(' ')), ['10.96.0.20 80', '10.244.0.6 8080', '10.244.0.7 8080'])
  t.match(report, {
    type: 'ClusterIP',
    hasSelector: true,
    matchedPods: 2,
    ports: [{
      targetPort: 'http',
      declaredBy: 2,
      readyEndpoints: 2,
      notReadyEndpoints: 0,
      service: [{ ip: '10.96.0.20', service: { name: 'orders' }, run: 0 }],
      endpoints: [{ ip: '10.244.0.6', pod: { name: 'orders-1' }, node: 'node-1', run: 1 }, { run: 2 }]
    }]
  })
})

t.test('a selector that matches nothing is told from pods that are not ready', async t => {
  t.match(await check([], { pods: [examplePod({ name: 'other' })], endpoints: {} }), { verdict: 'fail', codes: ['SERVICE_SELECTOR_MATCHES_NOTHING'], argvs: [] })
  t.match(await check([], { pods: [orders('old', { phase: 'Failed' }), orders('leaving', { deleting: true })], endpoints: {} }), { codes: ['SERVICE_SELECTOR_MATCHES_NOTHING'] })
  const waiting = [orders('orders-1', { ready: false })]
  const notReady = await check([], { pods: waiting, endpoints: { 'shop/orders': [endpoint('10.244.0.6', { ready: false })] } })
  t.match(notReady, { codes: ['SERVICE_NO_ENDPOINTS'], findings: [{ message: /none of 1 is ready/, data: { notReadyPods: ['orders-1'] } }] })
  t.match(await check([], { pods: waiting, endpoints: {} }), { codes: ['SERVICE_NO_ENDPOINTS'], findings: [{ message: /none of its 1 pods/ }] })
})

t.test('a named target port that no container has is a mismatch', async t => {
  const services = [exampleService({ ports: [servicePort('web')] })]
  const unserved = { 'shop/orders': [endpoint('10.244.0.6', { ports: [] })] }
  t.match(await check([], { services, endpoints: unserved }), { verdict: 'fail', codes: ['SERVICE_PORT_MISMATCH'], findings: [{ message: /named "web"/ }], argvs: [] })
})

t.test('a number that no container declares is a hint, until nothing listens there', async t => {
  const services = [exampleService({ ports: [servicePort(9999)] })]
  const endpoints = { 'shop/orders': ['10.244.0.6', '10.244.0.7'].map(ip => endpoint(ip, { ports: [{ name: null, port: 9999, protocol: 'TCP' }] })) }
  t.match(await check(['open', 'open', 'open'], { services, endpoints }), { verdict: 'pass', codes: ['SERVICE_PORT_UNDECLARED'] })
  const closed = await check(['refused', 'refused', 'refused'], { services, endpoints })
  t.match(closed, { verdict: 'fail', codes: ['SERVICE_PORT_MISMATCH'], findings: [{ evidence: [{ run: 1 }, { run: 2 }] }] })
  t.match(await check(['timeout', 'timeout', 'timeout'], { services, endpoints }), { codes: ['SERVICE_ENDPOINTS_FAILED'] }, 'dropped: it may well listen')
})

t.test('endpoints that fail are told from a Service whose address does', async t => {
  const one = await check(['open', 'refused', 'open'])
  t.match(one, { verdict: 'fail', codes: ['SERVICE_ENDPOINT_FAILED'], findings: [{ message: /^1 of 2 endpoints/, data: { failed: [{ ip: '10.244.0.6' }] }, evidence: [{ run: 1 }] }] })
  t.match(await check(['refused', 'refused', 'open']), { codes: ['SERVICE_ENDPOINT_FAILED'] }, 'the address had led to the bad one')
  t.match(await check(['refused', 'refused', 'refused']), { codes: ['SERVICE_ENDPOINTS_FAILED'] })
  t.match(await check(['timeout', 'open', 'open']), { verdict: 'fail', codes: ['SERVICE_IP_FAILED'], findings: [{ evidence: [{ run: 0 }] }] })
})

t.test('pods that are not ready beside others are a warning', async t => {
  const mixed = await check(['open', 'open'], {
    pods: [orders('orders-1'), orders('orders-2', { ready: false })],
    endpoints: { 'shop/orders': [endpoint('10.244.0.6'), endpoint('10.244.0.7', { ready: false })] }
  })
  t.match(mixed, { verdict: 'warn', codes: ['SERVICE_PODS_NOT_READY'], report: { notReadyPods: ['orders-2'], ports: [{ notReadyEndpoints: 1 }] } })
  t.equal(mixed.argvs.length, 2, 'nothing is sent to who gets nothing')
  const published = await check(['open', 'open', 'refused'], {
    services: [exampleService({ publishNotReadyAddresses: true, ports: [servicePort('http')] })], pods: [orders('orders-1'), orders('orders-2', { ready: false })]
  })
  t.match(published, { codes: ['SERVICE_ENDPOINT_FAILED', 'SERVICE_PODS_NOT_READY'] })
})

t.test('a headless Service has endpoints only, one without selector those that somebody keeps', async t => {
  const headless = await check(['open', 'open'], { services: [exampleService({ headless: true, clusterIPs: [], ports: [servicePort('http')] })] })
  t.match(headless, { verdict: 'pass', codes: [], report: { headless: true, ports: [{ service: [] }] } })
  const services = [exampleService({ selector: null, ports: [servicePort(8080)] })]
  t.match(await check(['open', 'open', 'open'], { services, pods: [] }), { verdict: 'pass', codes: [], report: { hasSelector: false, matchedPods: 0 } })
  t.match(await check([], { services, pods: [], endpoints: {} }), { codes: ['SERVICE_NO_ENDPOINTS'], findings: [{ message: /EndpointSlices name none/ }] })
})

t.test('an ExternalName Service is an alias and no more', async t => {
  const services = [exampleService({ type: 'ExternalName', externalName: 'db.example.com', clusterIPs: [], selector: null, ports: [] })]
  t.match(await check([], { services }), { verdict: 'pass', codes: ['SERVICE_IS_ALIAS'], findings: [{ message: /db\.example\.com/ }] })
})

t.test('only the port that is asked for is looked at, and it must be one', async t => {
  const ports = [servicePort('http', { name: 'http' }), servicePort('http', { name: 'dns', port: 53, protocol: 'UDP' })]
  const endpoints = { 'shop/orders': [endpoint('10.244.0.6', { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }, { name: 'dns', port: 53, protocol: 'UDP' }] })] }
  const named = { services: [exampleService({ ports })], endpoints }
  t.match(await check(['open', 'open'], named, { ...input, port: 80 }), { verdict: 'pass', report: { ports: [{ name: 'http' }] } })
  t.match(await check([], named, { ...input, port: 81 }), { verdict: 'fail', codes: ['SERVICE_PORT_UNKNOWN'], findings: [{ data: { port: 81 } }] })
  const headless = { services: [exampleService({ ports, headless: true, clusterIPs: [] })], endpoints }
  t.match(await check([], headless, { ...input, port: 81 }), { verdict: 'pass', codes: [] }, 'a headless one translates none')
  t.match(await check(['open', 'open'], { ...named, pods: [orders('a', { containers: [] })] }), { codes: ['SERVICE_PORT_MISMATCH', 'SERVICE_PORT_MISMATCH'] })
})

t.test('what cannot be tried is said, and no metadata service is talked to', async t => {
  const udp = { services: [exampleService({ selector: null, ports: [servicePort(53, { protocol: 'UDP' })] })], endpoints: { 'shop/orders': [endpoint('10.244.0.6', { ports: [{ name: null, port: 53, protocol: 'UDP' }] })] } }
  t.match(await check([], udp), { verdict: 'inconclusive', codes: ['SERVICE_NOT_TRIED'], argvs: [] })
  const metadata = { endpoints: { 'shop/orders': [endpoint('169.254.169.254'), endpoint('10.244.0.6')] } }
  const { argvs, report } = await check(['open', 'open'], metadata)
  t.notOk(argvs.flat().includes('169.254.169.254'))
  t.match(report, { ports: [{ notTried: ['169.254.169.254'] }] })
  const own = await check(['open'], { services: [exampleService({ clusterIPs: ['169.254.169.254'], ports: [servicePort('http')] })] }, { ...input, maxEndpoints: 1 })
  t.match(own, { argvs: [['nc', '-n', '-v', '-z', '-w', '2', '10.244.0.6', '8080']], report: { ports: [{ notTried: ['10.244.0.7'] }] } })
  t.match(await check([], {}, { ...input, family: 6 }), { verdict: 'inconclusive', codes: ['SERVICE_NOT_TRIED'] })
})

t.test('a sidecar proxy accepts everything', async t => {
  const { codes, verdict } = await check(['open', 'open', 'open'], { pod: examplePod({ sidecars: ['istio-proxy'] }) })
  t.match({ codes, verdict }, { codes: ['PATH_THROUGH_PROXY'], verdict: 'inconclusive' })
})

t.test('an endpoint that cannot be read leaves what was found of other ports', async t => {
  const ports = [servicePort(8080, { name: 'a' }), servicePort(8081, { name: 'b', port: 81 })]
  const served = ['a', 'b'].map((name, index) => ({ name, port: 8080 + index, protocol: 'TCP' }))
  const recordings = [nc('refused'), nc('refused'), { stderr: 'garbage' }]
  const endpoints = { 'shop/orders': [endpoint('10.244.0.6', { ports: served })] }
  const { probe, kept } = recordedProbe(recordings, world({ services: [exampleService({ ports })], endpoints }))
  const params = checkParams(serviceCheck, input)
  await t.rejects(serviceCheck.measure(params, probe), { code: 'EPH_OUTPUT_UNREADABLE' })
  t.match(serviceCheck.judge(kept.at(-1)!, params), [{ code: 'SERVICE_ENDPOINTS_FAILED' }])
})

t.test('everything that is read is declared', async t => {
  const rights = serviceCheck.reads!(checkParams(serviceCheck, input), 'elsewhere').map(rightOf)
  t.same(rights.map(({ verb, resource, namespace }) => `${verb} ${resource} ${namespace}`), ['get services shop', 'list endpointslices shop', 'list pods shop'])
  for (const denied of ['get services shop', 'list endpointslices shop', 'list pods shop']) await t.rejects(check([], { denied: [denied] }), { code: 'EPH_FORBIDDEN' })
  await t.rejects(check([], { services: [] }), { code: 'EPH_NOT_FOUND' })
})

import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import type { EndpointSummary, NetworkPolicySummary } from '#core/objects.ts'
import { rightOf } from '#core/reading.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'
import reachability from '../../src/diagnostics/reachability.ts'
import { measure } from '../support/measure.ts'
import { examplePod, exampleService, recordedProbe, type RecordedRun, type RecordedWorld } from '../support/recorded-probe.ts'
import { recordedText } from '../support/recorded.ts'

const catalogue = await loadCatalogue()
const nc = (recording: string) => ({ stderr: recordedText(`nc-${recording}.stderr.txt`), exitCode: recording === 'open' ? 0 : 1 })
/** A second connect that held the connection for its time. */
const held = { stderr: 'curl: (28) Time-out\n', exitCode: 28 }
const traceroute = (recording: string) => ({ stdout: recordedText(`traceroute-${recording}.txt`) })
const ping = (recording: string) => ({ stdout: recordedText(`ping-${recording}.txt`) })
const dig = (recording: string) => ({ stdout: recordedText(`dig-${recording}.txt`) })
const endpoint: EndpointSummary =
  { ip: '10.244.0.6', ready: true, terminating: false, pod: null, node: null, ports: [{ name: null, port: 8080, protocol: 'TCP' }] }
const labels = { app: 'orders' }
const web = { ...exampleService({ name: 'web' }), clusterIPs: ['10.96.0.20'] }
const world = (rest: RecordedWorld = {}): RecordedWorld => ({
  catalogue,
  services: [exampleService(), web],
  endpoints: { 'shop/orders': [endpoint], 'shop/web': [endpoint] },
  pods: [examplePod({ name: 'orders-1', labels })],
  names: { '10.244.0.6': { pod: { namespace: 'shop', name: 'orders-1' } }, '10.96.0.20': { service: { namespace: 'shop', name: 'orders' } } },
  ...rest
})
const ask = (destination: Record<string, unknown>, recordings: RecordedRun[], rest: RecordedWorld = {}) =>
  measure(reachability, { destination }, recordings, world(rest))
const service = { service: { namespace: 'shop', name: 'orders' }, port: 8080 }
const stepsOf = ({ report }: { report: Record<string, unknown> }) =>
  (report.steps as { diagnostic: string }[]).map(({ diagnostic }) => diagnostic)

t.test('all steps of a Service by its name, and none as cause', async t => {
  const found = await ask({ host: 'web.shop', port: 8080 }, [dig('search-list'), nc('open'), nc('open'), dig('search-list'), nc('open'), held])
  t.same(stepsOf(found), ['dns-lookup', 'service-check', 'tcp-connect'])
  t.match(found, { report: { cause: { layer: 'none', code: null }, policies: null }, codes: ['DNS_SEARCH_LIST', 'SERVICE_PORT_UNDECLARED'], verdict: 'pass' })
  t.match(found.report, { steps: [{ firstRun: 0, runCount: 1, verdict: 'pass' }, { firstRun: 1, runCount: 2 }, { firstRun: 3, runCount: 3, report: { connections: [{}] } }] })
})

t.test('a name that is not there ends the plan', async t => {
  const found = await ask({ host: 'nope.shop', port: 80 }, [dig('nxdomain')])
  t.same(stepsOf(found), ['dns-lookup'])
  t.match(found, { verdict: 'fail', report: { cause: { layer: 'dns', code: 'DNS_NXDOMAIN' } }, findings: [{ diagnostic: 'dns-lookup', severity: 'error' }] })
})

t.test('only families that the pod has are asked for', async t => {
  const typesOf = async (podIPs: string[], family?: number) => {
    const input = { destination: { host: 'nope.shop', port: 80 }, ...family ? { family } : {} }
    const { argvs } = await measure(reachability, input, [dig('nxdomain'), dig('nxdomain')], world({ pod: examplePod({ podIPs }) }))
    return argvs.map(argv => argv[argv.indexOf('-t') + 1])
  }
  t.same(await typesOf(['10.0.0.1']), ['A'])
  t.same(await typesOf(['fd00::1']), ['AAAA'])
  t.same(await typesOf(['10.0.0.1', 'fd00::1']), ['A', 'AAAA'])
  t.same(await typesOf([]), ['A', 'AAAA'])
  t.same(await typesOf(['10.0.0.1'], 6), ['AAAA'])
})

t.test('what is wrong with a Service ends the plan', async t => {
  const none = await ask(service, [], { endpoints: {} })
  t.same(stepsOf(none), ['service-check'])
  t.match(none, { verdict: 'fail', report: { cause: { layer: 'service', code: 'SERVICE_NO_ENDPOINTS' } } })
  t.match(await ask(service, [], { pods: [], endpoints: {} }), { report: { cause: { layer: 'service', code: 'SERVICE_SELECTOR_MATCHES_NOTHING' } } })
  t.match(await ask(service, [nc('refused'), nc('refused')]), { report: { cause: { layer: 'service', code: 'SERVICE_PORT_MISMATCH' } } })
})

const declared = { pods: [examplePod({ name: 'orders-1', labels, containers: [{ name: 'app', image: 'x', ports: [{ name: null, port: 8080, protocol: 'TCP' }], running: true, memoryLimitBytes: null }] })] }
const policy = (name: string, rest: Partial<NetworkPolicySummary> = {}): NetworkPolicySummary =>
  ({ namespace: 'shop', name, podSelector: { matchLabels: {}, matchExpressions: [] }, ingress: true, egress: false, ...rest })
const policies = [
  policy('deny-all', { egress: true }), policy('orders', { podSelector: { matchLabels: labels, matchExpressions: [] } }),
  policy('others', { podSelector: { matchLabels: { app: 'db' }, matchExpressions: [] } })
]

t.test('endpoints that all fail are not the Service\'s fault: the connection tells, with the policies around', async t => {
  const dropped = await ask(service, [nc('timeout'), nc('timeout'), nc('timeout')], { ...declared, policies })
  t.same(stepsOf(dropped), ['service-check', 'tcp-connect'])
  t.same(dropped.codes, ['SERVICE_ENDPOINTS_FAILED', 'TCP_TIMEOUT'])
  t.match(dropped.report, { cause: { layer: 'path', code: 'TCP_TIMEOUT' } })
  const selecting = [
    { namespace: 'shop', name: 'deny-all', direction: 'egress', pod: 'web' }, { namespace: 'shop', name: 'deny-all', direction: 'ingress', pod: 'orders-1' },
    { namespace: 'shop', name: 'orders', direction: 'ingress', pod: 'orders-1' }
  ]
  t.match(dropped.findings[1], { diagnostic: 'tcp-connect', evidence: [{ run: 2 }], data: { port: 8080, policies: { selecting, unread: [], peers: [{ name: 'orders-1' }] } } })
  t.notOk('policies' in dropped.findings[0]!.data!, 'only the cause has them')
  t.strictSame((dropped.findings[1]!.data!.policies as { selecting: unknown[] }).selecting, selecting)
  const refused = await ask(service, [nc('refused'), nc('refused'), nc('refused')], declared)
  t.match(refused.report, { cause: { layer: 'port', code: 'TCP_REFUSED' }, policies: { selecting: [] } })
  const flapping = await ask(service, [nc('refused'), nc('refused'), nc('open'), held], declared)
  t.match(flapping, { verdict: 'fail', report: { cause: { layer: 'service', code: 'SERVICE_ENDPOINTS_FAILED' } } })
})

t.test('the path to what does not answer is traced; that to what answers only where it is asked for, and then what is wrong there is the cause', async t => {
  const host = { host: '198.51.100.138', port: 8080 }
  const lost = await ask(host, [nc('timeout'), traceroute('ends'), ping('silent')])
  t.same(stepsOf(lost), ['tcp-connect', 'path-trace'])
  t.same(lost.codes, ['TCP_TIMEOUT', 'TRACE_PATH_ENDS'])
  t.match(lost.report, { cause: { layer: 'path', code: 'TCP_TIMEOUT' }, steps: [{}, { firstRun: 1, runCount: 2, verdict: 'fail' }] })
  t.same(stepsOf(await ask(host, [nc('refused')])), ['tcp-connect'])
  t.same(stepsOf(await ask(host, [nc('open'), held])), ['tcp-connect'])

  const askPath = (...mtu: string[]) => measure(reachability, { destination: host, tracePath: true },
    [nc('open'), held, traceroute('udp'), ...Array(4).fill(traceroute('again')), ...mtu.map(traceroute)], world())
  const whole = await askPath('mtu-device', 'mtu-whole')
  t.same(stepsOf(whole), ['tcp-connect', 'path-trace'])
  t.match(whole, { verdict: 'pass', codes: [], report: { cause: { layer: 'none', code: null } } })
  t.match(await askPath('mtu-device', 'mtu-told', 'mtu-whole'), { verdict: 'warn', report: { cause: { layer: 'path', code: 'TRACE_MTU_REDUCED' } } })
})

t.test('policies that the caller may not list are said to be unread', async t => {
  const { report } = await ask({ host: '10.244.0.6', port: 8080 }, [nc('timeout'), traceroute('ends'), ping('silent')], { policies, denied: ['list networkpolicies shop'] })
  t.match(report, { cause: { code: 'TCP_TIMEOUT' }, policies: { selecting: [], unread: ['shop'] } })
})

t.test('a pod and an address are connected to; the address of a Service leads to it', async t => {
  const pod = { pod: { namespace: 'shop', name: 'orders-1' }, port: 8080 }
  t.same(stepsOf(await ask(pod, [nc('open'), held])), ['tcp-connect'])
  t.match((await ask(pod, [nc('refused')], { policies })).report, { policies: { peers: [{ name: 'orders-1' }] } })
  t.same(stepsOf(await ask({ host: '192.0.2.1', port: 80 }, [nc('open'), held])), ['tcp-connect'])
  t.match((await ask({ host: '192.0.2.1', port: 80 }, [nc('unreachable')])).report, { cause: { layer: 'path', code: 'TCP_UNREACHABLE' } })
  t.same(stepsOf(await ask({ host: '10.96.0.20', port: 8080 }, [nc('open'), nc('open'), nc('open'), held])), ['service-check', 'tcp-connect'])
})

t.test('a Service that the caller may not read, or that is none, is passed over', async t => {
  for (const denied of ['get services shop', 'list endpointslices shop', 'list pods shop']) {
    t.same(stepsOf(await ask({ host: 'web.shop', port: 8080 }, [dig('search-list'), dig('search-list'), nc('open'), held], { denied: [denied] })), ['dns-lookup', 'tcp-connect'], denied)
  }
  t.same(stepsOf(await ask({ host: 'web.shop', port: 8080 }, [dig('search-list'), dig('search-list'), nc('open'), held], { services: [] })), ['dns-lookup', 'tcp-connect'])
  t.same(reachability.reads!(checkParams(reachability, { destination: service }), 'shop').map(rightOf).map(({ resource }) => resource), ['services', 'endpointslices', 'pods'])
  t.same(reachability.reads!(checkParams(reachability, { destination: { host: 'web', port: 1 } }), 'shop'), [])
})

t.test('what a connect cannot tell is inconclusive, and said where', async t => {
  const found = await ask({ host: '10.244.0.6', port: 8080 }, [nc('open'), held], { pod: examplePod({ sidecars: ['istio-proxy'] }) })
  t.match(found, { verdict: 'inconclusive', report: { cause: { layer: 'path', code: 'PATH_THROUGH_PROXY' } } })
})

t.test('a step that cannot be read leaves what was found before', async t => {
  const { probe, kept } = recordedProbe([dig('search-list'), nc('refused'), nc('refused'), { stdout: 'garbage' }], world({ ...declared, diagnostic: reachability }))
  const params = checkParams(reachability, { destination: { host: 'web.shop', port: 8080 } })
  await t.rejects(reachability.measure(params, probe), { code: 'EPH_OUTPUT_UNREADABLE' })
  t.match(reachability.judge(kept.at(-1)!, params), [{ code: 'DNS_SEARCH_LIST' }, { code: 'SERVICE_ENDPOINTS_FAILED', diagnostic: 'service-check' }])
})

t.test('one way to name a destination', t => {
  for (const destination of [{ port: 80 }, { ...service, host: 'web' }, { host: '169.254.169.254', port: 80 }, { host: '1.2.3', port: 80 }]) {
    t.throws(() => checkParams(reachability, { destination }), { code: 'EPH_PARAMS_INVALID' }, JSON.stringify(destination))
  }
  t.throws(() => checkParams(reachability, { destination: { host: '10.0.0.1', port: 80 }, family: 6 }), { code: 'EPH_PARAMS_INVALID' })
  t.end()
})

import t from 'tap'
import type { Job } from '#core/job.ts'
import { apply, labEnvironment, makeNamespace, makePod, nodeAddress, readPod } from '../support/lab.ts'
import { makeRouters, withRule } from '../support/routers.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const { second, end, nobody } = await makeRouters(t)

const launch = (params: Record<string, unknown>, target: { namespace: string, pod: string } = { namespace, pod }): Promise<Job> =>
  service.launch({ diagnostic: 'ping', target, params }, { prefer: 'wait=50' })
const pingEnd = (rest: Record<string, unknown> = {}) => launch({ destinations: [{ host: end.address }], waitSeconds: 1, ...rest })
const codesOf = ({ findings }: Job) => findings.map(({ code }) => code)

t.test('a pod, a node and a host behind routers answer, from a pod without a shell too', async t => {
  const { podIP } = readPod(namespace, pod).status
  const destinations = [{ pod: { namespace, name: pod } }, { host: nodeAddress }, { host: end.address }]
  for (const target of [{ namespace, pod }, { namespace: 'distroless', pod: makePod('distroless') }]) {
    const job = await launch({ destinations, count: 2 }, target)
    t.match(job, { state: 'succeeded', verdict: 'pass', findings: [] })
    t.match(job.pods.items[0]?.report, {
      targets: [
        { dnsStatus: null, series: [{ ip: podIP, method: 'icmp', sent: 2, received: 2, lossPercent: 0, ttl: 64, pod: { namespace, name: pod } }] },
        { series: [{ ip: nodeAddress, ttl: 64, times: { minMs: Number, avgMs: Number, maxMs: Number, jitterMs: Number } }] },
        { series: [{ ip: end.address, ttl: 61 }] }
      ]
    })
  }
})

t.test('total loss, partial loss and a high latency are told apart', async t => {
  const toEnd = ['FORWARD', '-d', end.address]
  t.match(await withRule(second, [...toEnd, '-j', 'DROP'], () => pingEnd()), { verdict: 'fail', findings: [{ code: 'PING_NO_REPLY', data: { sent: 5, received: 0 } }] })
  const everySecond = [...toEnd, '-m', 'statistic', '--mode', 'nth', '--every', '2', '--packet', '0', '-j', 'DROP']
  const lossy = await withRule(second, everySecond, () => pingEnd({ count: 10 }))
  t.match(lossy, { verdict: 'warn', findings: [{ code: 'PING_LOSS', data: { sent: 10, received: 5 } }] })
  const [{ evidence }] = lossy.findings as [Job['findings'][0]]
  t.match(evidence, [{ runId: lossy.pods.items[0]!.runs[0]!.id, line: Number }])
  // Each packet has 98 bytes on the wire: they are sent faster than the link takes them, and queue.
  second.run('tc', 'qdisc', 'add', 'dev', second.device, 'root', 'tbf', 'rate', '3kbit', 'burst', '120', 'latency', '5s')
  const slow = await pingEnd({ slowMs: 50 })
  second.run('tc', 'qdisc', 'del', 'dev', second.device, 'root')
  t.match(slow, { verdict: 'warn' })
  t.ok(codesOf(slow).includes('PING_SLOW'), codesOf(slow).join(', '))
  t.match(await pingEnd({ slowMs: 50 }), { verdict: 'pass', findings: [] }, 'without all that it passes')
})

t.test('what a router or the kernel says is unreachable, and who says it', async t => {
  second.run('ip', 'route', 'add', 'unreachable', `${nobody}/32`)
  const job = await launch({ destinations: [{ host: nobody }, { host: '2001:db8::1' }, { host: end.address }], waitSeconds: 1 })
  second.run('ip', 'route', 'del', `${nobody}/32`)
  t.match(job, { verdict: 'fail', findings: { length: 2 } })
  const said = job.findings.map(({ code, data }) => [code, data.ip, data.notices])
  t.match(said.find(([, ip]) => ip === nobody), ['PING_UNREACHABLE', nobody, [{ ip: second.address, reason: 'Destination Host Unreachable' }]])
  t.match(said.find(([, ip]) => ip === '2001:db8::1'), ['PING_UNREACHABLE', '2001:db8::1', [{ ip: null, reason: 'Network is unreachable' }]])
})

t.test('where a pod does not permit pings connects are timed; with NET_RAW pings are sent all the same', async t => {
  const sysctls = [{ name: 'net.ipv4.ping_group_range', value: '1 0' }]
  const strict = makePod(namespace, { spec: { securityContext: { sysctls } } })
  const destinations = [{ pod: { namespace, name: pod } }]
  const timed = await launch({ destinations, tcpPort: 8080, count: 3 }, { namespace, pod: strict })
  t.match(timed, { verdict: 'pass', findings: [{ code: 'PING_ICMP_NOT_PERMITTED', severity: 'info' }] })
  t.match(timed.pods.items[0]?.report, { targets: [{ series: [{ icmpPermitted: false, method: 'tcp', port: 8080, sent: 3, received: 3 }] }] })
  const raw = await launch({ destinations, method: 'icmp' }, { namespace, pod: strict })
  t.match(raw, { verdict: 'pass', findings: [], pods: { items: [{ session: { profile: 'netraw' } }] } })
  t.match(raw.pods.items[0]?.report, { targets: [{ series: [{ icmpPermitted: true, method: 'icmp', received: 5 }] }] })
  const baseline = makeNamespace(t, { 'pod-security.kubernetes.io/enforce': 'baseline' })
  const without = makePod(baseline, { spec: { securityContext: { sysctls } } })
  const own = await launch({ destinations: [{ host: nodeAddress }], method: 'icmp' }, { namespace: baseline, pod: without })
  t.match(own, { verdict: 'pass', findings: [], pods: { items: [{ session: { profile: 'defaultcaps' } }] } }, 'where NET_RAW cannot be added, what the runtime gives is enough')
})

t.test('the address of a Service is timed by connects, whether it is named as such or not', async t => {
  for (const place of [{ service: { namespace: 'shop', name: 'orders' } }, { host: 'orders.shop' }]) {
    const job = await launch({ destinations: [place], count: 2 })
    t.match(job, { verdict: 'pass', findings: [{ code: 'PING_SERVICE_ADDRESS' }] })
    t.match(job.pods.items[0]?.report, { targets: [{ series: [{ method: 'tcp', port: 8080, received: 2, service: { namespace: 'shop', name: 'orders' } }] }] })
  }
})

t.test('a name without an address, and one that stands for a metadata service', async t => {
  apply({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name: 'rebound' }, spec: { clusterIP: 'None', ports: [{ port: 80 }] } })
  apply({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: 'rebound', labels: { 'kubernetes.io/service-name': 'rebound' } },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    endpoints: [{ addresses: ['100.100.100.200'] }]
  })
  const name = `rebound.${namespace}`
  let job = await launch({ destinations: [{ host: name }] })
  // DNS may be a moment behind.
  for (let tries = 0; tries < 20 && codesOf(job).includes('PING_NAME_UNRESOLVED'); tries++) job = await launch({ destinations: [{ host: name }] })
  t.match(job, { verdict: 'inconclusive', findings: [{ code: 'PING_NOT_TRIED' }] })
  t.same(job.pods.items[0]?.runs.map(({ argv }) => argv[0]), ['dig'], 'nothing was sent to it')
  t.match(await launch({ destinations: [{ host: 'nope.shop' }] }), { verdict: 'fail', findings: [{ code: 'PING_NAME_UNRESOLVED' }] })
  const { status, body } = await service.call('POST', '/v1/jobs', {
    body: { diagnostic: 'ping', target: { namespace, pod }, params: { destinations: [{ host: '169.254.169.254' }] } }
  })
  t.match({ status, body }, { status: 422, body: { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/destinations/0/host', detail: /metadata/ }] } })
})

t.test('REST and GraphQL give the same report', async t => {
  const params = { destinations: [{ host: end.address }], count: 2 }
  const rest = await launch(params)
  const { launchJob } = await service.graphql<{ launchJob: { id: string } }>('mutation ($input: LaunchJobInput!) { launchJob(input: $input) { id } }', {
    input: { diagnostic: { ping: params }, target: { namespace, pod } }
  })
  await service.final(launchJob.id)
  const { job } = await service.graphql<{ job: unknown }>(`query ($id: ID!) {
    job(id: $id) { verdict pods { nodes { report { ... on PingReport { targets { host series { ip method sent received ttl } } } } } } }
  }`, { id: launchJob.id })
  const target = { host: end.address, series: [{ ip: end.address, method: 'icmp', sent: 2, received: 2, ttl: 61 }] }
  t.match(rest.pods.items[0]?.report, { targets: [target] })
  t.match(job, { verdict: 'pass', pods: { nodes: [{ report: { targets: [target] } }] } })
})

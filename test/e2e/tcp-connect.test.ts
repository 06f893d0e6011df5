import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import type { Job } from '#core/job.ts'
import { inNetworkOf } from '../support/container-processes.ts'
import { labEnvironment, makeCaller, makeNamespace, makePod, nodeAddress, readPod } from '../support/lab.ts'
import { resetSocket } from '../support/reset-socket.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const { podIP } = readPod(namespace, pod).status
const reject = (port: number, how: string[]) => inNetworkOf(namespace, pod, ['iptables', '-A', 'OUTPUT', '-p', 'tcp', '--dport', `${port}`, ...how])

const launch = (params: Record<string, unknown>, target: { namespace: string, pod: string } = { namespace, pod }): Promise<Job> =>
  service.launch({ diagnostic: 'tcp-connect', target, params }, { prefer: 'wait=50' })
const codesOf = ({ findings }: Job) => findings.map(({ code }) => code)

t.test('a Service by its name is open, from a pod without a shell too', async t => {
  const destinations = [{ host: 'orders.shop', port: 8080 }, { host: 'orders.shop.svc.cluster.local.', port: 8443 }]
  for (const target of [{ namespace, pod }, { namespace: 'distroless', pod: makePod('distroless') }]) {
    const job = await launch({ destinations }, target)
    t.match(job, { state: 'succeeded', verdict: 'pass', findings: [] })
    t.match(job.pods.items[0]?.report, { proxy: null, connections: [{ dnsStatus: 'NOERROR', attempts: [{ outcome: 'open' }] }, { attempts: [{ outcome: 'open' }] }] })
  }
})

t.test('refused, dropped, without a way and without a name are told apart', async t => {
  reject(7001, ['-j', 'DROP'])
  reject(7002, ['-j', 'REJECT', '--reject-with', 'icmp-host-unreachable'])
  const job = await launch({
    destinations: [
      { host: podIP!, port: 7000 }, { host: '10.96.0.10', port: 7001 }, { host: '10.96.0.10', port: 7002 }, { host: '2001:db8::1', port: 80 },
      { host: 'nope.shop', port: 80 }
    ],
    waitSeconds: 1
  })
  t.match(job, { state: 'succeeded', verdict: 'fail' })
  t.same(codesOf(job).toSorted(), ['TCP_NAME_UNRESOLVED', 'TCP_REFUSED', 'TCP_TIMEOUT', 'TCP_UNREACHABLE', 'TCP_UNREACHABLE'])
  const [measured] = job.pods.items
  for (const { evidence } of job.findings.filter(({ code }) => code !== 'TCP_NAME_UNRESOLVED')) {
    t.ok(measured!.runs.some(({ id, argv }) => id === evidence[0]?.runId && argv[0] === 'nc'), 'the evidence is a run of nc')
  }
})

t.test('a connection that is accepted and cut is told from one that is held, or closed in good order', async t => {
  // A moment later: a reset that comes with the end of the handshake is a connect that failed, by all that curl can tell.
  const ways = [(socket: Socket) => setTimeout(resetSocket, 20, socket), (socket: Socket) => socket.end(), () => {}]
  const ports = await Promise.all(ways.map(async accept => {
    const server = createServer(socket => { socket.on('error', () => {}); accept(socket) }).listen(0, nodeAddress)
    await once(server, 'listening')
    t.teardown(() => { server.close() })
    return (server.address() as AddressInfo).port
  }))
  // On a busy machine the server is slow to reset.
  const job = await launch({ destinations: ports.map(port => ({ host: nodeAddress, port })), holdMs: 1000 })
  t.match(job, { verdict: 'fail', findings: [{ code: 'TCP_RESET', data: { port: ports[0] } }] })
  t.same(codesOf(job), ['TCP_RESET'])
})

t.test('what should be closed and is open fails; what is closed passes', async t => {
  t.match(await launch({ destinations: [{ host: podIP!, port: 7000 }], expect: 'closed' }), { verdict: 'pass', findings: [] })
  t.match(await launch({ destinations: [{ host: podIP!, port: 8080 }], expect: 'closed' }), { verdict: 'fail', findings: [{ code: 'TCP_NOT_CLOSED' }] })
})

t.test('the address of a metadata service is refused before anything runs', async t => {
  const { status, body } = await service.call('POST', '/v1/jobs', {
    body: { diagnostic: 'tcp-connect', target: { namespace, pod }, params: { destinations: [{ host: '::ffff:169.254.169.254', port: 80 }] } }
  })
  t.equal(status, 422)
  t.match(body, { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/destinations/0/host', detail: /metadata/ }] })
})

t.test('over UDP: answered, closed, dropped, and without a way', async t => {
  inNetworkOf(namespace, pod, ['iptables', '-A', 'OUTPUT', '-p', 'udp', '--dport', '7003', '-j', 'DROP'])
  const udp = (destinations: object[], rest = {}) => launch({ destinations, protocol: 'udp', waitSeconds: 1, ...rest })
  t.match(await udp([{ pod: { namespace, name: pod }, port: 7007 }]), { verdict: 'pass', findings: [] }, 'the sample application echoes')
  t.match(await udp([{ service: { namespace: 'kube-system', name: 'kube-dns' }, port: 53 }], { udpQuestion: 'dns' }), { verdict: 'pass', findings: [] })
  const failed = await udp([{ host: podIP!, port: 7000 }, { host: '10.96.0.10', port: 7003 }, { host: '2001:db8::1', port: 53 }])
  t.same(codesOf(failed).toSorted(), ['UDP_NO_ANSWER', 'UDP_REFUSED', 'UDP_UNREACHABLE'])
  t.match(await udp([{ host: podIP!, port: 7007 }], { expect: 'closed' }), { verdict: 'fail', findings: [{ code: 'UDP_NOT_CLOSED' }] })
})

t.test('a pod and a Service are destinations too, and their addresses have names', async t => {
  const destinations = [
    { service: { namespace: 'shop', name: 'orders' }, port: 8080 }, { pod: { namespace, name: pod }, port: 8080 }, { pod: { namespace, name: pod }, port: 7000 }
  ]
  const job = await launch({ destinations, family: 4 })
  t.match(job, { verdict: 'fail', findings: [{ code: 'TCP_REFUSED', message: `pod "${namespace}/${pod}" port 7000 refuses the connection: ${podIP} (Connection refused)` }] })
  t.match(job.pods.items[0]?.report, {
    connections: [
      { attempts: [{ outcome: 'open', service: { namespace: 'shop', name: 'orders' }, pod: null }] },
      { attempts: [{ outcome: 'open', ip: podIP, pod: { namespace, name: pod }, service: null, node: /./ }] },
      { attempts: [{ outcome: 'refused' }] }
    ]
  })
  const { body } = await service.call('POST', '/v1/jobs', {
    body: { diagnostic: 'tcp-connect', target: { namespace, pod }, params: { destinations: [{ service: { namespace, name: 'nope' }, port: 80 }] } }
  })
  t.match(body, { status: 404, code: 'EPH_NOT_FOUND', detail: `Cannot read Service "${namespace}/nope": it does not exist` })
})

t.test('who may not read a Service is told the missing rule, and there is no job', async t => {
  const strict = await startService({ env: { ...labEnvironment(), EPHEMERA_AUTH: 'kubernetes', EPHEMERA_HOST: '127.0.0.1' }, token: makeCaller(namespace, ['create', 'get', 'list']) })
  t.teardown(() => strict.stop())
  const target = { namespace, pod }
  const body = { diagnostic: 'tcp-connect', target, params: { destinations: [{ service: { namespace: 'shop', name: 'orders' }, port: 8080 }] } }
  for (const path of ['/v1/jobs', '/v1/jobs?dryRun=true']) {
    const answer = await strict.call('POST', path, { body })
    t.match(answer, { status: 403, body: { code: 'EPH_FORBIDDEN', detail: /apiGroups: \[(""|discovery\.k8s\.io)\], resources: \[(services|endpointslices)\].* in namespace "shop"/ } }, path)
  }
  t.match((await strict.call('GET', `/v1/jobs?namespace=${namespace}`)).body, { items: [] })
  const { id } = await strict.launch({ diagnostic: 'tcp-connect', target, params: { destinations: [{ host: 'orders.shop', port: 8080 }] } })
  const job = await strict.final(id)
  t.match(job, { state: 'succeeded', verdict: 'pass' }, 'by its name, as everybody in the pod could')
  t.match(job.pods.items[0]?.report, { connections: [{ attempts: [{ pod: null, service: null, node: null }] }] }, 'and without the names of what it may not read')
})

t.test('REST and GraphQL give the same report', async t => {
  const params = { destinations: [{ host: podIP!, port: 7000 }] }
  const rest = await launch(params)
  const { launchJob } = await service.graphql<{ launchJob: { id: string } }>('mutation ($input: LaunchJobInput!) { launchJob(input: $input) { id } }', {
    input: { diagnostic: { tcpConnect: params }, target: { namespace, pod } }
  })
  await service.final(launchJob.id)
  const { job } = await service.graphql<{ job: unknown }>(`query ($id: ID!) {
    job(id: $id) { verdict pods { nodes { reportJson report { ... on TcpConnectReport { connections { attempts { outcome } } } } } } }
  }`, { id: launchJob.id })
  const connection = { host: podIP, port: 7000, attempts: [{ ip: podIP, outcome: 'refused', run: 0 }] }
  t.match(rest.pods.items[0]?.report, { connections: [connection] })
  t.match(job, {
    verdict: 'fail', pods: { nodes: [{ reportJson: { connections: [connection] }, report: { connections: [{ attempts: [{ outcome: 'refused' }] }] } }] }
  })
})

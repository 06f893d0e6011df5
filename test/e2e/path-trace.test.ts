import t from 'tap'
import type { Job } from '#core/job.ts'
import { labEnvironment, makeNamespace, makePod, nodeAddress, podOf, readPod } from '../support/lab.ts'
import { makeRouters, withRule } from '../support/routers.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const { first, second, end, nobody, fork } = await makeRouters(t)
const bridge = '10.244.0.1'

const launch = (params: Record<string, unknown>, target: { namespace: string, pod: string } = { namespace, pod }): Promise<Job> =>
  service.launch({ diagnostic: 'path-trace', target, params }, { prefer: 'wait=55' })
const traceEnd = (rest: Record<string, unknown> = {}) => launch({ destination: { host: end.address }, waitSeconds: 1, ...rest })
const codesOf = ({ findings }: Job) => findings.map(({ code }) => code)
const reportOf = (job: Job) => job.pods.items[0]?.report

t.test('the path to a host behind two routers is seen whole, from a pod without a shell too', async t => {
  for (const target of [{ namespace, pod }, { namespace: 'distroless', pod: makePod('distroless') }]) {
    const job = await launch({ destination: { host: end.address } }, target)
    t.match(job, { state: 'succeeded', verdict: 'pass', findings: [] })
    const path = [bridge, first.address, second.address, end.address]
    t.match(reportOf(job), {
      traced: { ip: end.address },
      samples: [{ path, run: 0 }, { path, run: 1 }, { path, run: 2 }],
      reachedHop: 4,
      hops: path.map((ip, index) => ({ hop: index + 1, ips: [ip], sent: 3, answered: 3, times: { minMs: Number, maxMs: Number } })),
      lossFromHop: null,
      mtu: { deviceBytes: 1500, triedBytes: 1500, arrives: true }
    })
  }
})

t.test('ICMP, mtr and TCP see the same path where a profile for them is admitted, and are refused where none is', async t => {
  const baseline = makeNamespace(t, { 'pod-security.kubernetes.io/enforce': 'baseline' })
  const connects = { destination: { host: end.address }, method: 'tcp', port: 80, samples: 2 }
  for (const [params, target, profile] of [
    [{ ...connects, method: 'icmp' }, { namespace, pod }, 'netraw'],
    [{ ...connects, method: 'mtr' }, { namespace, pod }, 'netraw'],
    [connects, { namespace, pod }, 'netraw'],
    [connects, { namespace: baseline, pod: makePod(baseline) }, 'defaultcaps']
  ] as const) {
    const job = await launch(params, target)
    t.match(job, { verdict: 'pass', findings: [], pods: { items: [{ session: { profile } }] } })
    t.match(reportOf(job), { reachedHop: 4, hops: [bridge, first.address, second.address, end.address].map(ip => ({ ips: [ip] })) })
  }
  const { status, body } = await service.call('POST', '/v1/jobs', {
    body: { diagnostic: 'path-trace', target: { namespace: 'restricted', pod: podOf('restricted', 'app') }, params: connects }
  })
  t.match({ status, body }, { status: 422, body: { code: 'EPH_POD_SECURITY' } })
})

t.test('pods and Services are traced by what the cluster knows of them, and named', async t => {
  const orders = podOf('shop', 'orders')
  const { podIP } = readPod('shop', orders).status
  const job = await launch({ destination: { pod: { namespace: 'shop', name: orders } }, samples: 1 })
  t.match(job, { verdict: 'pass', findings: [] })
  t.match(reportOf(job), { traced: { ip: podIP, pod: { namespace: 'shop', name: orders } }, reachedHop: 1, addresses: [{ ip: podIP, pod: { name: orders } }] })
  const destination = { service: { namespace: 'shop', name: 'orders' } }
  t.match(await launch({ destination }), { verdict: 'inconclusive', findings: [{ code: 'TRACE_SERVICE_ADDRESS' }] })
  const connects = await launch({ destination, method: 'tcp', samples: 1 })
  t.match(connects, { verdict: 'pass', findings: [] })
  t.match(reportOf(connects), { port: 8080, traced: { service: { namespace: 'shop', name: 'orders' } } })
})

t.test('a path that ends says behind which hop', async t => {
  const job = await withRule(second, ['FORWARD', '-d', end.address, '-j', 'DROP'], () => traceEnd({ samples: 2, maxHops: 12 }))
  t.match(job, { verdict: 'fail', findings: [{ code: 'TRACE_PATH_ENDS', data: { hop: 3, ips: [second.address] } }] })
  t.match(reportOf(job), { reachedHop: null, check: { sent: 10, received: 0 }, mtu: null })
  const early = await withRule(first, ['FORWARD', '-d', end.address, '-j', 'DROP'], () => traceEnd({ samples: 1, maxHops: 12 }))
  t.match(early, { verdict: 'fail', findings: [{ code: 'TRACE_PATH_ENDS', data: { hop: 2, ips: [first.address] } }] })
  t.match(await traceEnd({ samples: 1, measureMtu: false }), { verdict: 'pass', findings: [] })
})

t.test('a destination that drops UDP only is reached all the same', async t => {
  const job = await withRule(end, ['INPUT', '-p', 'udp', '-j', 'DROP'], () => traceEnd({ samples: 1, maxHops: 8 }))
  t.match(job, { verdict: 'pass', findings: [{ code: 'TRACE_UDP_UNANSWERED' }] })
})

t.test('loss begins at the hop from which on it goes to the destination', async t => {
  // Of what passes the first router a half is dropped: hops 3 and 4.
  const lossy = ['FORWARD', '-d', end.address, '-m', 'statistic', '--mode', 'random', '--probability', '0.5', '-j', 'DROP']
  const job = await withRule(first, lossy, () => traceEnd({ samples: 12, measureMtu: false }))
  t.match(job, { verdict: 'warn' })
  const loss = job.findings.find(({ code }) => code === 'TRACE_LOSS')
  t.match(loss, { data: { hop: 3, ips: [second.address], sent: 12 } }, codesOf(job).join(', '))
  const byMtr = await withRule(first, lossy, () => traceEnd({ method: 'mtr', samples: 20, measureMtu: false }))
  t.match(byMtr, { verdict: 'warn', findings: [{ code: 'TRACE_LOSS', data: { hop: 3, sent: 20 } }] })
  t.match(await traceEnd({ measureMtu: false }), { verdict: 'pass', findings: [] })
})

t.test('a router that limits its own answers, and passes everything on, is no loss', async t => {
  const some = ['OUTPUT', '-p', 'icmp', '--icmp-type', 'time-exceeded', '-m', 'statistic', '--mode', 'nth', '--every', '2', '--packet', '0', '-j', 'DROP']
  const job = await withRule(first, some, () => traceEnd({ samples: 4, measureMtu: false }))
  t.match(job, { verdict: 'pass', findings: [] })
  t.match(reportOf(job), { hops: [{}, { sent: 4, answered: 2 }, { sent: 4, answered: 4 }, { sent: 4, answered: 4 }], lossFromHop: null })
})

t.test('a smaller MTU is told, or makes large packets vanish', async t => {
  const setMtu = (bytes: number) => { for (const router of [second, end]) router.run('ip', 'link', 'set', router.device, 'mtu', `${bytes}`) }
  setMtu(1400)
  const told = await traceEnd({ samples: 1 })
  t.match(told, { verdict: 'warn', findings: [{ code: 'TRACE_MTU_REDUCED', data: { deviceBytes: 1500, triedBytes: 1400, limitedBy: second.address } }] })
  const hidden = ['OUTPUT', '-p', 'icmp', '--icmp-type', 'fragmentation-needed', '-j', 'DROP']
  const vanished = await withRule(second, hidden, () => traceEnd({ samples: 1 }))
  t.match(vanished, { verdict: 'fail', findings: [{ code: 'TRACE_MTU_BLACK_HOLE', data: { deviceBytes: 1500, triedBytes: 1500, lastHop: 3 } }] })
  setMtu(1500)
  t.match(await traceEnd({ samples: 1 }), { verdict: 'pass', findings: [] })
})

t.test('routers that say that there is no way, that go in circles, or that a neighbour is missing', async t => {
  const unknown = () => launch({ destination: { host: nobody }, samples: 1 })
  t.match(await unknown(), { verdict: 'fail', findings: [{ code: 'TRACE_LOOP', data: { loop: [first.address, second.address] } }] })
  for (const [kind, reason] of [['unreachable', 'host unreachable'], ['prohibit', 'forbidden']] as const) {
    second.run('ip', 'route', 'add', kind, `${nobody}/32`)
    t.match(await unknown(), { verdict: 'fail', findings: [{ code: 'TRACE_UNREACHABLE', data: { ip: second.address, reason } }] })
    second.run('ip', 'route', 'del', `${nobody}/32`)
  }
  second.run('ip', 'address', 'add', `${nobody}/32`, 'dev', 'lo')
  t.match(await unknown(), { verdict: 'pass', findings: [] }, 'once somebody has the address')
  const missing = await launch({ destination: { host: '10.244.0.254' }, samples: 1 })
  t.match(missing, { verdict: 'fail', findings: [{ code: 'TRACE_UNREACHABLE', data: { ip: null } }] })
  t.match(await launch({ destination: { host: '2001:db8::1' } }), { findings: [{ code: 'TRACE_UNREACHABLE', data: { reason: 'Network is unreachable' } }] })
})

t.test('a destination beyond maxHops is not taken for lost', async t => {
  t.match(await traceEnd({ maxHops: 2, samples: 1 }), { verdict: 'inconclusive', findings: [{ code: 'TRACE_TOO_FAR', data: { hop: 2 } }] })
  t.match(await launch({ destination: { host: nodeAddress }, samples: 1 }), { verdict: 'pass', findings: [] })
})

t.test('routers that share packets among two ways are told', async t => {
  const other = fork()
  const job = await traceEnd({ samples: 15, measureMtu: false })
  t.match(job, { verdict: 'pass', findings: [{ code: 'TRACE_ROUTE_DIFFERS', severity: 'info' }] })
  t.same((reportOf(job) as { hops: { ips: string[] }[] }).hops[2]!.ips.toSorted(), [second.address, other].toSorted())
})

t.test('the address of a metadata service is refused before anything runs', async t => {
  const { status, body } = await service.call('POST', '/v1/jobs', {
    body: { diagnostic: 'path-trace', target: { namespace, pod }, params: { destination: { host: 'fd00:ec2::254' } } }
  })
  t.match({ status, body }, { status: 422, body: { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/destination/host', detail: /metadata/ }] } })
})

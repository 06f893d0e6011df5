import t from 'tap'
import type { Job } from '#core/job.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startMetadataCanary } from '../support/metadata-canary.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)

const answering = await startDnsServer(t, ({ name }) => ({ answers: [{ type: 'A', name, ttl: 7, data: '192.0.2.7' }, { type: 'A', name, ttl: 7, data: '192.0.2.8' }] }))
const given = ({ address, port }: { address: string, port: number }) => ({ source: 'given', address, port })

const launch = (params: Record<string, unknown>, podName = pod): Promise<Job> =>
  service.launch({ diagnostic: 'dns-lookup', target: { namespace, pod: podName }, params }, { prefer: 'wait=50' })
const codesOf = ({ findings }: Job) => findings.map(({ code }) => code)

/** The queries of the report. */
const queriesOf = (job: Job) => (job.pods.items[0]?.report as { queries: Record<string, unknown>[] }).queries

t.test('a name that is there passes, and one that is not is NXDOMAIN with all that was tried', async t => {
  const found = await launch({ names: ['orders.shop.svc.cluster.local.'] })
  t.match(found, { state: 'succeeded', verdict: 'pass', findings: [] })
  t.match(queriesOf(found), [{ asked: null, status: 'NOERROR', transport: 'udp', sample: 1, answers: [{ type: 'A', ttlSeconds: Number, data: /^10\.96\./ }] }])

  const missing = await launch({ names: ['nope.shop'] })
  t.match(missing, { state: 'succeeded', verdict: 'fail', findings: [{ code: 'DNS_NXDOMAIN', evidence: [{ runId: String, line: Number }] }] })
  t.same((queriesOf(missing)[0]!.tried as { question: string }[]).map(({ question }) => question), [
    `nope.shop.${namespace}.svc.cluster.local.`, 'nope.shop.svc.cluster.local.', 'nope.shop.cluster.local.'
  ])
})

t.test('a name that answers only through the search list says what that costs; as it is given, it does not exist', async t => {
  const job = await launch({ names: ['orders.shop'] })
  t.match(job, { verdict: 'pass', findings: [{ code: 'DNS_SEARCH_LIST', data: { question: 'orders.shop.svc.cluster.local.', extraQueries: 1 } }] })
  t.match(await launch({ names: ['orders.shop'], search: false }), { verdict: 'fail', findings: [{ code: 'DNS_NXDOMAIN' }] })
})

t.test('the DNS of the cluster is asked by its Service, whatever nameserver the pod has', async t => {
  const wrong = makePod(namespace, { spec: { dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.1'] } } })
  const job = await launch({ names: ['orders.shop.svc.cluster.local.'], servers: [{ source: 'cluster' }] }, wrong)
  t.match(job, { verdict: 'pass', findings: [] })
  t.match(queriesOf(job), [{ asked: { ip: '10.96.0.10', port: 53, service: { namespace: 'kube-system', name: 'kube-dns' } } }])
})

t.test('a name outside of the cluster is asked in vain first, and is not where it ends with a dot', async t => {
  t.match(await launch({ names: ['two.lab.test'] }), { verdict: 'pass', findings: [{ code: 'DNS_EXTRA_QUERIES', data: { extraQueries: 3 } }] })
  t.match(await launch({ names: ['two.lab.test.'] }), { verdict: 'pass', findings: [] })
})

t.test('SERVFAIL, REFUSED and silence of a server each have their code; a server beside it that answers passes', async t => {
  const names = ['db.example.test.']
  t.match(await launch({ names, servers: [given(answering)] }), { verdict: 'pass', findings: [] })
  for (const [code, reply] of [['DNS_SERVFAIL', { rcode: 'SERVFAIL' }], ['DNS_REFUSED', { rcode: 'REFUSED' }], ['DNS_TIMEOUT', null]] as const) {
    const server = await startDnsServer(t, () => reply)
    const job = await launch({ names, servers: [given(server), given(answering)] })
    t.match(job, { state: 'succeeded', verdict: 'fail' })
    t.same(codesOf(job), [code])
    t.match(job.findings[0], { message: new RegExp(`server ${server.address} port ${server.port}`), data: { server: { ip: server.address, port: server.port } } })
    t.match(server.asked[0], 'udp db.example.test A')
  }
  t.match(await launch({ names: ['x.servfail.test.'] }), { verdict: 'fail', findings: [{ code: 'DNS_SERVFAIL' }] })
})

t.test('a pod whose nameserver is wrong gets no answer, one beside it with the right nameserver does', async t => {
  const podOf = (nameserver: string) => makePod(namespace, { spec: { dnsPolicy: 'None', dnsConfig: { nameservers: [nameserver] } } })
  const names = ['orders.shop.svc.cluster.local.']
  const job = await launch({ names }, podOf('192.0.2.1'))
  t.match(job, { state: 'succeeded', verdict: 'fail', findings: [{ code: 'DNS_TIMEOUT', message: /192\.0\.2\.1 \(/ }] })
  t.match(await launch({ names }, podOf('10.96.0.10')), { verdict: 'pass', findings: [] })
})

t.test('a reply that does not fit into UDP is a warning where TCP gives it, and an error where TCP does not', async t => {
  const records = Array.from({ length: 20 }, (_, index) => ({ type: 'TXT' as const, name: 'many.example.test', ttl: 5, data: `${'a'.repeat(90)}${index}` }))
  const whole = await startDnsServer(t, (_question, transport) => ({ truncated: transport === 'udp', answers: records }))
  const cut = await startDnsServer(t, () => ({ truncated: true }), { tcp: false })
  const fitting = await startDnsServer(t, () => ({ answers: records.slice(0, 1) }))
  const params = { names: ['many.example.test.'], types: ['TXT'] }
  t.match(await launch({ ...params, servers: [given(fitting)] }), { verdict: 'pass', findings: [] })
  const overTcp = await launch({ ...params, servers: [given(whole)] })
  t.match(overTcp, { verdict: 'warn', findings: [{ code: 'DNS_TRUNCATED' }] })
  t.match(queriesOf(overTcp), [{ transport: 'tcp', truncated: true, answers: { length: 20 } }])
  t.match(await launch({ ...params, servers: [given(cut)] }), { verdict: 'fail', findings: [{ code: 'DNS_TCP_UNANSWERED', message: /connection refused/ }] })
})

t.test('servers that disagree are a warning; other order, TTL or upper case is no disagreement', async t => {
  const names = ['two.lab.test.']
  const zone = (answers: string[], ttl: number) => startDnsServer(t, () => ({ answers: answers.map(data => ({ type: 'A', name: 'TWO.lab.test', ttl, data })) }))
  const [same, other, none] = [await zone(['192.0.2.2', '192.0.2.1'], 99), await zone(['192.0.2.1', '192.0.2.3'], 5), await startDnsServer(t, () => ({ rcode: 'NXDOMAIN' }))]
  t.match(await launch({ names, servers: [{ source: 'pod' }, given(same)], samples: 3 }), { verdict: 'pass', findings: [] })
  t.match(await launch({ names, servers: [{ source: 'pod' }, given(other)] }), {
    verdict: 'warn',
    findings: [{ code: 'DNS_ANSWERS_DIFFER', data: { servers: [{ server: null, answers: ['192.0.2.1', '192.0.2.2'] }, { answers: ['192.0.2.1', '192.0.2.3'] }] } }]
  })
  const job = await launch({ names, servers: [{ source: 'pod' }, given(none)] })
  t.match(job, { verdict: 'fail' })
  t.same(codesOf(job).toSorted(), ['DNS_ANSWERS_DIFFER', 'DNS_NXDOMAIN'])
})

t.test('a server that fails now and then shows in some of the samples, a slow one in all', async t => {
  let asked = 0
  const flapping = await startDnsServer(t, ({ name }) => asked++ % 2 === 0 ? { answers: [{ type: 'A', name, ttl: 5, data: '192.0.2.7' }] } : { rcode: 'SERVFAIL' })
  const slow = await startDnsServer(t, ({ name }) => ({ answers: [{ type: 'A', name, ttl: 5, data: '192.0.2.7' }] }), { delayMs: 600 })
  const names = ['db.example.test.']
  t.match(await launch({ names, servers: [given(answering)], samples: 4 }), { verdict: 'pass', findings: [] })
  const job = await launch({ names, servers: [given(flapping)], samples: 4 })
  t.match(job, { verdict: 'fail', findings: [{ code: 'DNS_SERVFAIL' }] })
  t.ok(Number(job.findings[0]?.data.showing) < 4)
  t.match(await launch({ names, servers: [given(slow)], samples: 2 }), { verdict: 'warn', findings: [{ code: 'DNS_SLOW', data: { samples: 2, showing: 2 } }] })
})

t.test('a metadata service is refused as a server before anything runs', async t => {
  const params = { names: ['web'], servers: [{ source: 'given', address: '169.254.169.254' }] }
  const { status, body } = await service.call('POST', '/v1/jobs', { body: { diagnostic: 'dns-lookup', target: { namespace, pod }, params } })
  t.equal(status, 422)
  t.match(body, { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/servers/0/address', detail: /metadata/ }] })
})

t.test('the nameserver of a pod is asked whatever its address, as its applications ask it', async t => {
  const address = '169.254.169.254'
  const asking = makePod(namespace, { spec: { dnsPolicy: 'None', dnsConfig: { nameservers: [address] } } })
  const canary = await startMetadataCanary(t, namespace, asking)
  // What stands there knows no DNS.
  t.match(await launch({ names: ['web.'] }, asking), { state: 'succeeded', findings: [{ code: 'DNS_TIMEOUT', message: /169\.254\.169\.254/ }] })
  t.same(Object.keys(canary.packets()), [address])
})

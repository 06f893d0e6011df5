import t from 'tap'
import type { Job } from '#core/job.ts'
import { labEnvironment, makeCaller, makeNamespace, makePod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)

const requestFor = (spec: Record<string, unknown> = {}) =>
  ({ diagnostic: 'dns-config', target: { namespace, pod: makePod(namespace, { spec }) }, params: {} })
const launch = (spec: Record<string, unknown> = {}): Promise<Job> => service.launch(requestFor(spec), { prefer: 'wait=50' })
const withConfig = (config: Record<string, unknown>, dnsPolicy = 'None') => launch({ dnsPolicy, dnsConfig: { nameservers: ['10.96.0.10'], ...config } })

t.test('a pod as the kubelet makes it passes', async t => {
  const job = await launch()
  t.match(job, { state: 'succeeded', verdict: 'pass' })
  t.same(job.findings.map(({ code }) => code), ['DNS_NDOTS_HIGH'])
  const [pod] = job.pods.items
  t.match(pod?.report, {
    dnsPolicy: 'ClusterFirst',
    dnsConfig: null,
    nameservers: [{ ip: '10.96.0.10', role: 'cluster', service: { namespace: 'kube-system', name: 'kube-dns' } }],
    search: [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'],
    clusterDns: { service: 'kube-system/kube-dns', ips: ['10.96.0.10'], ready: 1, notReady: 0 }
  })
  t.match(pod?.runs.map(({ argv }) => argv), [['read', 'resolv.conf'], ['read', 'hosts']])
  t.match(job.findings[0]?.evidence, [{ runId: pod?.runs[0]?.id, line: 3 }])
})

t.test('a pod whose nameserver is not the cluster\'s DNS, and one that has it by a dnsConfig of its own', async t => {
  t.match(await withConfig({ nameservers: ['192.0.2.1'] }), {
    verdict: 'warn', findings: [{ code: 'DNS_NAMESERVER_FOREIGN', message: /192\.0\.2\.1/, data: { dnsPolicy: 'None', clusterDns: { ips: ['10.96.0.10'] } } }]
  })
  t.match(await withConfig({}), { verdict: 'pass', findings: [] })
  t.match(await withConfig({ nameservers: ['192.0.2.1'] }, 'ClusterFirst'), { verdict: 'warn', findings: [{ code: 'DNS_NAMESERVERS_MIXED' }, { code: 'DNS_NDOTS_HIGH' }] })
})

t.test('too many search domains, and as many as there may be', async t => {
  const searches = (count: number) => withConfig({ searches: Array.from({ length: count }, (_, index) => `d${index}.lab.test`) })
  t.match(await searches(7), { verdict: 'warn', findings: [{ code: 'DNS_SEARCH_TOO_LONG', data: { domains: 7 }, evidence: [{ line: 1 }] }] })
  t.match(await searches(6), { verdict: 'pass', findings: [] })
})

t.test('aliases that contradict each other or hide a Service, and one that does neither', async t => {
  const aliased = (...hostAliases: { ip: string, hostnames: string[] }[]) =>
    launch({ dnsPolicy: 'None', dnsConfig: { nameservers: ['10.96.0.10'] }, hostAliases })
  t.match(await aliased({ ip: '192.0.2.1', hostnames: ['db.lab.test'] }, { ip: '192.0.2.2', hostnames: ['db.lab.test'] }), {
    verdict: 'warn', findings: [{ code: 'DNS_HOSTS_CONFLICT', data: { name: 'db.lab.test', ips: ['192.0.2.1', '192.0.2.2'] } }]
  })
  t.match(await aliased({ ip: '192.0.2.1', hostnames: ['orders.shop'] }), { verdict: 'warn', findings: [{ code: 'DNS_HOSTS_SHADOW', data: { service: 'shop/orders' } }] })
  t.match(await aliased({ ip: '192.0.2.1', hostnames: ['db.lab.test'] }), { verdict: 'pass', findings: [] })
})

t.test('a caller who may read nothing of the cluster is told so, and gets all else', async t => {
  const token = makeCaller(namespace, ['create', 'get'])
  const strict = await startService({ env: { ...labEnvironment(), EPHEMERA_AUTH: 'kubernetes', EPHEMERA_HOST: '127.0.0.1' }, token })
  t.teardown(() => strict.stop())
  const job = await strict.launch(requestFor({ hostAliases: ['192.0.2.1', '192.0.2.2'].map(ip => ({ ip, hostnames: ['db.lab.test'] })) }), { prefer: 'wait=50' })
  t.match(job, { state: 'succeeded', verdict: 'warn' })
  t.same(job.findings.map(({ code }) => code), ['DNS_CLUSTER_UNKNOWN', 'DNS_NDOTS_HIGH', 'DNS_HOSTS_CONFLICT'])
  t.match(job.pods.items[0]?.report, { clusterDns: null, nameservers: [{ ip: '10.96.0.10', role: 'unknown', service: null }] })

  const body = { ...requestFor(), diagnostic: 'dns-lookup', params: { names: ['web'], servers: [{ source: 'cluster' }] } }
  const refused = await strict.call('POST', '/v1/jobs', { body })
  t.match(refused, { status: 403, body: { code: 'EPH_FORBIDDEN', detail: /services/ } })
})

t.test('REST and GraphQL give the same report', async t => {
  const { diagnostic: _, ...request } = requestFor()
  const rest = await service.launch({ ...request, diagnostic: 'dns-config' }, { prefer: 'wait=50' })
  const { launchJob: { id } } = await service.graphql<{ launchJob: { id: string } }>('mutation ($input: LaunchJobInput!) { launchJob(input: $input) { id } }', {
    input: { target: request.target, diagnostic: { dnsConfig: {} } }
  })
  await service.final(id)
  const { job } = await service.graphql<{ job: { pods: { nodes: { reportJson: unknown }[] } } }>('query ($id: ID!) { job(id: $id) { pods { nodes { reportJson } } } }', { id })
  t.same(job.pods.nodes[0]?.reportJson, rest.pods.items[0]?.report)
})

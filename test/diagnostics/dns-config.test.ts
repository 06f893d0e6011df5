import t from 'tap'
import type { EndpointSummary } from '#core/objects.ts'
import dnsConfig from '../../src/diagnostics/dns-config.ts'
import { measure } from '../support/measure.ts'
import { examplePod, exampleService, type RecordedWorld } from '../support/recorded-probe.ts'
import { recordedText } from '../support/recorded.ts'

const kubeDns = exampleService({ namespace: 'kube-system', name: 'kube-dns', clusterIPs: ['10.96.0.10'] })
const endpoint = (rest: Partial<EndpointSummary> = {}): EndpointSummary =>
  ({ ip: '10.244.0.2', ready: true, terminating: false, pod: null, node: 'node-1', ports: [], ...rest })
const endpoints = { 'kube-system/kube-dns': [endpoint()] }

const ordinary = 'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n'
const look = (resolvConf: string | null, world: RecordedWorld = {}) => measure(dnsConfig, {}, [], {
  services: [kubeDns], endpoints, files: { ...resolvConf === null ? {} : { 'resolv.conf': resolvConf }, hosts: recordedText('hosts-cluster.txt') }, ...world
})
const codes = ({ codes }: { codes: string[] }) => codes.filter(code => code !== 'DNS_NDOTS_HIGH')

t.test('an ordinary pod passes, and what high ndots costs is said', async t => {
  const { argvs, report, findings, verdict } = await look(recordedText('resolv-conf-cluster.txt'))
  t.same(argvs, [['read', 'resolv.conf'], ['read', 'hosts']])
  t.match(report, {
    dnsPolicy: 'ClusterFirst', nameservers: [{ ip: '10.96.0.10', role: 'cluster', line: 2 }], ndots: 5, clusterDns: { service: 'kube-system/kube-dns', ready: 1, notReady: 0 }
  })
  t.match({ verdict, findings }, { verdict: 'pass', findings: [{ code: 'DNS_NDOTS_HIGH', data: { ndots: 5, domains: 3 }, evidence: [{ run: 0, line: 3 }] }] })
  t.match(await look('nameserver 10.96.0.10\nsearch a.b\noptions ndots:5\n'), { codes: [] })
})

t.test('another nameserver is wrong where the cluster\'s is wanted, and a choice where it is not', async t => {
  const wrong = ordinary.replace('10.96.0.10', '192.0.2.1')
  t.match(await look(wrong), { verdict: 'fail', findings: [{ code: 'DNS_NAMESERVER_WRONG', message: /192\.0\.2\.1.* 10\.96\.0\.10$/, evidence: [{ run: 0, line: 2 }] }, {}] })
  for (const pod of [{ dnsPolicy: 'None' }, { dnsPolicy: 'Default' }, { dnsPolicy: 'ClusterFirst', hostNetwork: true }]) {
    const judged = await look(wrong, { pod: examplePod(pod) })
    t.equal(judged.verdict, 'warn')
    t.same(codes(judged), ['DNS_NAMESERVER_FOREIGN'])
  }
  t.same(codes(await look(wrong, { pod: examplePod({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }) })), ['DNS_NAMESERVER_WRONG'])
})

t.test('a cache on the node and an endpoint of the cluster\'s DNS are as good as its Service', async t => {
  for (const [ip, role] of [['169.254.20.10', 'nodeLocal'], ['169.254.25.10', 'nodeLocal'], ['10.244.0.2', 'cluster']] as const) {
    const judged = await look(ordinary.replace('10.96.0.10', ip))
    t.match(judged.report.nameservers, [{ ip, role }])
    t.same(codes(judged), [])
  }
})

t.test('other nameservers beside the cluster\'s, or none at all', async t => {
  t.match(await look(`${ordinary}nameserver 192.0.2.1\n`), { verdict: 'warn', findings: [{ code: 'DNS_NAMESERVERS_MIXED', evidence: [{ line: 4 }] }, {}] })
  t.match(await look(''), { verdict: 'fail', codes: ['DNS_NAMESERVER_MISSING'] })
  t.match(await look(null), { verdict: 'fail', codes: ['DNS_NAMESERVER_MISSING'] })
})

t.test('a DNS of the cluster without a ready endpoint fails whatever the pod has', async t => {
  const judged = await look(ordinary, { endpoints: { 'kube-system/kube-dns': [endpoint({ ready: false })] } })
  t.equal(judged.verdict, 'fail')
  t.match(judged.findings, [{ code: 'DNS_CLUSTER_NO_ENDPOINT', message: /^Service "kube-system\/kube-dns" has no ready endpoint, and 1/ }, {}])
})

t.test('what the caller may not read is said and fails nothing; all else is judged', async t => {
  const judged = await look(`${ordinary}nameserver 192.0.2.1\n`, { denied: ['get services kube-system'], files: { 'resolv.conf': ordinary, hosts: recordedText('hosts-aliases.txt') } })
  t.equal(judged.verdict, 'warn')
  t.same(codes(judged), ['DNS_CLUSTER_UNKNOWN', 'DNS_HOSTS_CONFLICT'])
  t.match(judged.report, { clusterDns: null, nameservers: [{ role: 'unknown' }] })
  const withoutEndpoints = await look(ordinary, { denied: ['list endpointslices kube-system'] })
  t.match(withoutEndpoints, { verdict: 'pass', report: { clusterDns: { ready: null, notReady: null }, nameservers: [{ role: 'cluster' }] } })
  t.same(codes(await look(ordinary, { services: [] })), ['DNS_CLUSTER_UNKNOWN'])
  const renamed = [exampleService({ namespace: 'openshift-dns', name: 'dns-default', clusterIPs: ['10.96.0.10'] })]
  t.same(codes(await look(ordinary, { services: renamed, endpoints: { 'openshift-dns/dns-default': [endpoint()] } })), [])
})

t.test('a search list of too many domains, or too long', async t => {
  const search = (domains: string[]) => look(ordinary.replace(/search .*/, `search ${domains.join(' ')}`))
  t.match(await search(Array.from({ length: 7 }, (_, index) => `d${index}.test`)), { verdict: 'warn', findings: [{ code: 'DNS_SEARCH_TOO_LONG', data: { domains: 7 }, evidence: [{ run: 0, line: 1 }] }, {}] })
  t.same(codes(await search(Array.from({ length: 3 }, (_, index) => `${'d'.repeat(60)}.${'e'.repeat(30)}${index}.test`))), ['DNS_SEARCH_TOO_LONG'])
  t.same(codes(await search(Array.from({ length: 6 }, (_, index) => `d${index}.test`))), [])
})

t.test('a part of the dnsConfig that did not get into resolv.conf', async t => {
  const pod = examplePod({ dnsConfig: { nameservers: ['10.96.0.10', '192.0.2.9'], searches: ['cluster.local', 'lost.test'], options: [] } })
  t.match(await look(ordinary, { pod }), { verdict: 'warn', findings: [{ code: 'DNS_CONFIG_DROPPED', data: { dropped: ['192.0.2.9', 'lost.test'] } }, {}] })
})

t.test('entries of the hosts file that contradict each other, or hide a Service', async t => {
  const orders = exampleService({ namespace: 'shop', name: 'orders', clusterIPs: ['10.96.0.20'] })
  const hosts = (...lines: string[]) => look(ordinary, { services: [kubeDns, orders], files: { 'resolv.conf': ordinary, hosts: lines.join('\n') } })
  const aliases = await hosts(...recordedText('hosts-aliases.txt').split('\n'))
  t.match(aliases.findings.slice(1), [
    { code: 'DNS_HOSTS_CONFLICT', data: { name: 'db.example.test', ips: ['192.0.2.1', '192.0.2.2'] }, evidence: [{ run: 1, line: 11 }, { run: 1, line: 12 }] },
    { code: 'DNS_HOSTS_SHADOW', data: { name: 'orders.shop', ip: '192.0.2.3', service: 'shop/orders' }, evidence: [{ run: 1, line: 13 }] }
  ])
  for (const name of ['orders', 'orders.shop', 'orders.shop.svc', 'orders.shop.svc.cluster.local']) t.same(codes(await hosts(`192.0.2.3 ${name}`)), ['DNS_HOSTS_SHADOW'], name)
  for (const line of ['10.96.0.20 orders.shop', '192.0.2.3 orders.data', '192.0.2.3 orders.shop.example.com', '192.0.2.3 other', '10.244.0.6 orders']) {
    t.same(codes(await hosts(line)), [], line)
  }
  const denied = { services: [kubeDns, orders], denied: ['get services shop'], files: { 'resolv.conf': ordinary, hosts: '192.0.2.3 orders' } }
  t.same(codes(await look(ordinary, denied)), [])
})

import { Type, type Static } from 'typebox'
import { endpointsOf, findClusterDns, isNodeLocal } from '#analysis/cluster-dns.ts'
import { conflictsIn, parseHosts, type HostsEntry } from '#analysis/hosts-file.ts'
import { parseResolvConf } from '#analysis/resolv-conf.ts'
import { AddressNames } from '#core/address.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import type { Probe } from '#core/probe.ts'
import { OrNull } from '#core/schema.ts'

/** musl passes over a longer list as a whole, and glibc before 2.26 cuts it: the C libraries of older and of small images. */
const maxSearchDomains = 6
const maxSearchLength = 255
const highNdots = 5
const maxNamesLookedUp = 20

const Report = Type.Object({
  dnsPolicy: Type.String({ description: 'dnsPolicy of the pod; Default where it says ClusterFirst but uses the network of its node' }),
  dnsConfig: OrNull(Type.Object({
    nameservers: Type.Array(Type.String(), { description: 'Nameservers that the pod adds' }),
    searches: Type.Array(Type.String(), { description: 'Search domains that the pod adds' }),
    options: Type.Array(Type.String(), { description: 'Options that the pod sets' })
  }, { description: 'dnsConfig of the pod' })),
  nameservers: Type.Array(Type.Object({
    ip: Type.String({ description: 'Address' }),
    ...AddressNames.properties,
    role: Type.Enum(['cluster', 'nodeLocal', 'other', 'unknown'], {
      description: 'cluster: the cluster\'s DNS; nodeLocal: a cache on the node (169.254.0.0/16); unknown: the cluster\'s DNS is not known'
    }),
    line: Type.Integer({ minimum: 1, description: 'Line of resolv.conf' })
  }), { description: 'Nameservers of resolv.conf, in the order of asking' }),
  search: Type.Array(Type.String(), { description: 'Search list' }),
  searchLine: OrNull(Type.Integer({ minimum: 1, description: 'Line of resolv.conf that has the search list' })),
  ndots: Type.Integer({ description: 'Names with fewer dots go through the search list first' }),
  ndotsLine: OrNull(Type.Integer({ minimum: 1, description: 'Line of resolv.conf that sets ndots' })),
  options: Type.Array(Type.String(), { description: 'Options of resolv.conf' }),
  hosts: Type.Array(Type.Object({
    ip: Type.String({ description: 'Address' }),
    names: Type.Array(Type.String(), { description: 'Names, in lower case' }),
    line: Type.Integer({ minimum: 1, description: 'Line of the hosts file' })
  }), { description: 'Entries of the hosts file, which come before any DNS' }),
  shadowed: Type.Array(Type.Object({
    name: Type.String({ description: 'Name in the hosts file' }),
    ip: Type.String({ description: 'Address that it has there' }),
    service: Type.String({ description: 'Service that the name stands for otherwise, as shop/orders' }),
    line: Type.Integer({ minimum: 1, description: 'Line of the hosts file' })
  }), { description: 'Names of Services, as far as the caller may read these, that the hosts file gives another address' }),
  clusterDns: OrNull(Type.Object({
    service: Type.String({ description: 'Service of the cluster\'s DNS, as kube-system/kube-dns' }),
    ips: Type.Array(Type.String(), { description: 'Its cluster IPs' }),
    ready: OrNull(Type.Integer({ minimum: 0, description: 'Endpoints that are ready; null: the caller may not read them' })),
    notReady: OrNull(Type.Integer({ minimum: 0, description: 'Endpoints that are not; null: as of ready' }))
  }, { description: 'The cluster\'s DNS; null: there is none by a usual name, or the caller may not read it' })),
  resolvConfRun: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs read resolv.conf, from 0' }),
  hostsRun: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs read the hosts file, from 0' })
})
type Report = Static<typeof Report>

/** The Service that a name stands for in a pod of this namespace; null where it is no name of a Service. */
function serviceNamed (name: string, namespace: string, search: string[]): { namespace: string, name: string } | null {
  const domain = search.find(one => one.startsWith('svc.'))
  const suffix = [domain && `.${domain}`, '.svc'].find(end => end && name.endsWith(end)) ?? ''
  const [service = '', itsNamespace = namespace, ...more] = name.slice(0, name.length - suffix.length).split('.')
  return more.length === 0 && [service, itsNamespace].every(label => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(label))
    ? { namespace: itsNamespace, name: service }
    : null
}

/** Entries that a Service of this name would contradict. The pod's own names, which the kubelet writes there, are none. */
async function findShadowed (hosts: HostsEntry[], search: string[], { pod, objects }: Probe): Promise<Report['shadowed']> {
  const shadowed: Report['shadowed'] = []
  const foreign = hosts.filter(({ ip }) => !pod.podIPs.includes(ip))
  const named = foreign.flatMap(({ ip, names, line }) => names.flatMap(name => {
    const object = serviceNamed(name, pod.namespace, search)
    return object ? [{ ip, name, line, object }] : []
  }))
  for (const { ip, name, line, object } of named.slice(0, maxNamesLookedUp)) {
    if (!await objects.may({ kind: 'service', namespace: object.namespace })) continue
    const service = await objects.service(object.namespace, object.name)
    if (service && !service.clusterIPs.includes(ip)) shadowed.push({ name, ip, service: `${service.namespace}/${service.name}`, line })
  }
  return shadowed
}

const at = (run: number, line: number | null) => [line === null ? { run } : { run, line }]

function * judgeNameservers ({ dnsPolicy, nameservers, clusterDns, resolvConfRun: run }: Report) {
  const foreign = nameservers.filter(({ role }) => role === 'other')
  const others = foreign.map(({ ip }) => ip).join(', ')
  const data = { dnsPolicy, nameservers: nameservers.map(({ ip }) => ip), clusterDns }
  const rest = { data, evidence: foreign.flatMap(({ line }) => at(run, line)) }
  if (nameservers.length === 0) {
    yield { code: 'DNS_NAMESERVER_MISSING', message: 'resolv.conf names no nameserver', data: { dnsPolicy }, evidence: at(run, null) } as const
  } else if (foreign.length > 0 && foreign.length < nameservers.length) {
    yield { code: 'DNS_NAMESERVERS_MIXED', message: `Beside the cluster's DNS the pod has other nameservers: ${others}`, ...rest } as const
  } else if (foreign.length > 0 && dnsPolicy.startsWith('ClusterFirst')) {
    const message = `The nameservers of the pod, ${others}, are not the cluster's DNS: that is ${clusterDns?.ips.join(', ')}`
    yield { code: 'DNS_NAMESERVER_WRONG', message, ...rest } as const
  } else if (foreign.length > 0) {
    yield { code: 'DNS_NAMESERVER_FOREIGN', message: `By its dnsPolicy ${dnsPolicy} the pod asks ${others}, not the cluster's DNS`, ...rest } as const
  }
}

function * judgeClusterDns ({ clusterDns }: Report) {
  if (clusterDns === null) {
    const message = 'The nameservers were compared with nothing: no Service of the cluster\'s DNS was found that the caller may read'
    yield { code: 'DNS_CLUSTER_UNKNOWN', message } as const
  } else if (clusterDns.ready === 0) {
    const message = `Service "${clusterDns.service}" has no ready endpoint, and ${clusterDns.notReady} that are not`
    yield { code: 'DNS_CLUSTER_NO_ENDPOINT', message, data: clusterDns } as const
  }
}

function * judgeSearch ({ dnsConfig, nameservers, search, searchLine, ndots, ndotsLine, resolvConfRun: run }: Report) {
  const length = search.join(' ').length
  const evidence = at(run, searchLine)
  if (search.length > maxSearchDomains || length > maxSearchLength) {
    const message = `The search list has ${search.length} domains of ${length} characters in all`
    yield { code: 'DNS_SEARCH_TOO_LONG', message, data: { domains: search.length, length }, evidence } as const
  }
  const dropped = [
    ...dnsConfig?.nameservers.filter(ip => !nameservers.some(nameserver => nameserver.ip === ip)) ?? [],
    ...dnsConfig?.searches.filter(domain => !search.includes(domain)) ?? []
  ]
  if (dropped.length > 0) {
    const message = `resolv.conf lacks what the dnsConfig of the pod names: ${dropped.join(', ')}`
    yield { code: 'DNS_CONFIG_DROPPED', message, data: { dropped }, evidence } as const
  }
  if (ndots >= highNdots && search.length > 1) {
    const message = `Names with fewer than ${ndots} dots are first asked with ${search.length} search domains`
    yield { code: 'DNS_NDOTS_HIGH', message, data: { ndots, domains: search.length }, evidence: at(run, ndotsLine) } as const
  }
}

function * judgeHosts ({ hosts, shadowed, hostsRun: run }: Report) {
  for (const { name, ips, lines } of conflictsIn(hosts)) {
    const message = `The hosts file gives "${name}" several addresses: ${ips.join(', ')}`
    yield { code: 'DNS_HOSTS_CONFLICT', message, data: { name, ips }, evidence: lines.flatMap(line => at(run, line)) } as const
  }
  for (const { name, ip, service, line } of shadowed) {
    const message = `The hosts file gives "${name}" the address ${ip}, which hides Service "${service}"`
    yield { code: 'DNS_HOSTS_SHADOW', message, data: { name, ip, service }, evidence: at(run, line) } as const
  }
}

export default defineDiagnostic({
  name: 'dns-config',
  version: '1',
  title: 'DNS configuration',
  summary: 'Reads how the pod resolves names (resolv.conf, hosts file, dnsPolicy, dnsConfig) and compares it with the DNS of the cluster',
  symptoms: ['names resolve in other pods but not in this one', 'wrong address for a name', 'too many DNS queries', 'Services are not found by name'],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 0.2,
  examples: [{ title: 'How the pod resolves names', params: {} }],
  params: Type.Object({}, { additionalProperties: false }),
  report: Report,
  findings: {
    DNS_NAMESERVER_MISSING: {
      severity: 'error',
      title: 'There is no nameserver',
      meaning: 'The resolver file is empty or names no server: only names of the hosts file resolve',
      remedy: 'Name nameservers in the dnsConfig of the pod, or use another dnsPolicy than None'
    },
    DNS_NAMESERVER_WRONG: {
      severity: 'error',
      title: 'The nameserver is not the cluster\'s DNS',
      meaning: 'The pod is to ask the cluster\'s DNS, but the kubelet has given it another address: names of Services do not resolve',
      remedy: 'Check clusterDNS in the configuration of the kubelet on this node against the cluster IP of the DNS Service'
    },
    DNS_NAMESERVER_FOREIGN: {
      severity: 'warning',
      title: 'The pod asks other nameservers by its own choice',
      meaning: 'Its dnsPolicy is None or Default: names of Services do not resolve, unless these servers know them',
      remedy: 'Use dnsPolicy ClusterFirst (ClusterFirstWithHostNet with the network of the node) where the pod needs names of the cluster'
    },
    DNS_NAMESERVERS_MIXED: {
      severity: 'warning',
      title: 'The cluster\'s DNS is one of several nameservers',
      meaning: 'Resolvers take all nameservers for equal: some ask all at once and believe the first, even that a name does not exist',
      remedy: 'Name the cluster\'s DNS alone, and let it forward to the others'
    },
    DNS_CLUSTER_NO_ENDPOINT: {
      severity: 'error',
      title: 'The cluster\'s DNS has no ready endpoint',
      meaning: 'No pod stands behind the Service of the cluster\'s DNS: no name resolves in any pod that asks it',
      remedy: 'Look at the pods of the cluster\'s DNS in its namespace'
    },
    DNS_CLUSTER_UNKNOWN: {
      severity: 'info',
      title: 'The cluster\'s DNS is not known',
      meaning: 'Whether the nameservers are the right ones was not judged; all else was',
      remedy: 'Let the caller get the Services and list the EndpointSlices of kube-system, or launch dns-lookup for a name of the cluster'
    },
    DNS_SEARCH_TOO_LONG: {
      severity: 'warning',
      title: 'The search list is too long for some resolvers',
      meaning: `Older C libraries cut a list of more than ${maxSearchDomains} domains or ${maxSearchLength} characters, and that of Alpine passes over all of it; each domain costs a question`,
      remedy: 'Take domains out of the dnsConfig of the pod or the resolver file of the node, and write full names'
    },
    DNS_CONFIG_DROPPED: {
      severity: 'warning',
      title: 'A part of the dnsConfig is not in effect',
      meaning: 'The resolver file lacks nameservers or search domains that the pod names: the kubelet cuts what is too much, or something has replaced the file',
      remedy: 'See the events of the pod for DNSConfigForming, and keep to 3 nameservers and 32 search domains'
    },
    DNS_HOSTS_CONFLICT: {
      severity: 'warning',
      title: 'The hosts file contradicts itself',
      meaning: 'A name has several addresses of one family there; some resolvers use the first, others all of them',
      remedy: 'Keep one of them in the hostAliases of the pod'
    },
    DNS_HOSTS_SHADOW: {
      severity: 'warning',
      title: 'The hosts file hides a Service',
      meaning: 'The hosts file comes before DNS: the pod never reaches the Service by this name',
      remedy: 'Take the name out of the hostAliases of the pod, unless that is intended'
    },
    DNS_NDOTS_HIGH: {
      severity: 'info',
      title: 'Names of the outside are first asked with the search list',
      meaning: 'The usual setting of Kubernetes: a name as api.example.com costs one question more for each search domain and family',
      remedy: 'Nothing, unless DNS is slow or loaded; else end such names with a dot, or lower ndots in the dnsConfig of the pod'
    }
  },
  timeoutSecondsFor: () => 20,

  async measure (_params, probe) {
    const { pod, objects } = probe
    const resolvConf = await probe.readFile('resolv.conf')
    const hostsFile = await probe.readFile('hosts')
    const config = parseResolvConf(resolvConf.text ?? '')
    const hosts = parseHosts(hostsFile.text ?? '')
    const service = await findClusterDns(objects)
    const endpoints = service && await endpointsOf(service, objects)
    const known = service && new Set([...service.clusterIPs, ...endpoints?.map(({ ip }) => ip) ?? []])
    const names = await probe.nameAddresses(config.nameservers.map(({ ip }) => ip))
    const roleOf = (ip: string): Report['nameservers'][number]['role'] => known?.has(ip) ? 'cluster' : isNodeLocal(ip) ? 'nodeLocal' : known ? 'other' : 'unknown'
    return {
      ...config,
      dnsPolicy: pod.hostNetwork && pod.dnsPolicy === 'ClusterFirst' ? 'Default' : pod.dnsPolicy,
      dnsConfig: pod.dnsConfig,
      nameservers: config.nameservers.map(({ ip, line }, index) => ({ ip, ...names[index]!, role: roleOf(ip), line })),
      hosts,
      shadowed: await findShadowed(hosts, config.search, probe),
      clusterDns: service && {
        service: `${service.namespace}/${service.name}`,
        ips: service.clusterIPs,
        ready: endpoints && endpoints.filter(({ ready }) => ready).length,
        notReady: endpoints && endpoints.filter(({ ready }) => !ready).length
      },
      resolvConfRun: resolvConf.run,
      hostsRun: hostsFile.run
    }
  },

  judge: report => [...judgeNameservers(report), ...judgeClusterDns(report), ...judgeSearch(report), ...judgeHosts(report)]
})

import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import { Attempt, connect, evidenceOf, isOpen, sayAttempts } from '#analysis/connect.ts'
import { pathThroughProxy } from '#analysis/path-through-proxy.ts'
import { hasRefusedEndpoint } from '#analysis/resolve-place.ts'
import { endpointsOf, isLiving, podsWithPort } from '#analysis/service-port.ts'
import { Family, NamedService } from '#core/destination.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import { isRefusedAddress } from '#core/refused-addresses.ts'
import { OrNull } from '#core/schema.ts'
import { sidecarProxyOf } from '#core/sidecar-proxy.ts'

/** Ports of a Service that are looked at where none is named, and names of pods that a report gives. */
const mostPorts = 10
const mostNames = 20

const Port = Type.Object({
  name: OrNull(Type.String({ description: 'Name of the port' })),
  port: Type.Integer({ description: 'Port of the Service' }),
  protocol: Type.String({ description: 'TCP, UDP or SCTP; only TCP is tried' }),
  targetPort: Type.String({ description: 'Port of the pods: a number, or the name of a container\'s port' }),
  declaredBy: Type.Integer({ description: 'Pods of the Service of which a container declares that port' }),
  readyEndpoints: Type.Integer({ description: 'Addresses behind it that get connections' }),
  notReadyEndpoints: Type.Integer({ description: 'Addresses behind it that get none, as their pods are not ready' }),
  service: Type.Array(Attempt, { description: 'Connections to the addresses of the Service itself; a headless one has none' }),
  endpoints: Type.Array(Attempt, { description: 'Connections to ready endpoints, past the Service' }),
  notTried: Type.Array(Type.String(), { description: 'Ready endpoints that are of another protocol, beyond maxEndpoints, or that no diagnostic may talk to' })
}, { description: 'One port of the Service' })
type Port = Static<typeof Port>

const Report = Type.Object({
  type: Type.String({ description: 'ClusterIP, NodePort, LoadBalancer or ExternalName' }),
  headless: Type.Boolean({ description: 'Whether it has no address of its own: its name stands for those of its endpoints' }),
  externalName: OrNull(Type.String({ description: 'The name that an ExternalName Service stands for' })),
  hasSelector: Type.Boolean({ description: 'Whether it chooses its pods itself; else somebody else keeps its EndpointSlices' }),
  publishNotReadyAddresses: Type.Boolean({ description: 'Whether pods that are not ready get connections too' }),
  matchedPods: Type.Integer({ description: 'Living pods that its selector matches' }),
  notReadyPods: Type.Array(Type.String(), { description: `Those of them that are not ready, at most ${mostNames}` }),
  ports: Type.Array(Port, { description: `The port that was asked for, or all, at most ${mostPorts}; none where it has no such port` }),
  proxy: OrNull(Type.String({ description: 'Container of the pod that takes over its connections (a service mesh\'s proxy)' }))
})
type Report = Static<typeof Report>

/** What is wrong with one port; `said` names it. */
function * judgePort (port: Port, report: Report, said: string) {
  const { targetPort, protocol, declaredBy, readyEndpoints, notReadyEndpoints, service, endpoints } = port
  const { hasSelector, matchedPods, proxy } = report
  const data = { port: port.port, targetPort, protocol }
  const isNamed = !/^\d+$/.test(targetPort)
  if (isNamed && hasSelector && matchedPods > 0 && declaredBy === 0) {
    yield { code: 'SERVICE_PORT_MISMATCH', message: `${said} sends to the port named "${targetPort}", and no container of its ${matchedPods} pods has one`, data } as const
    return
  }
  if (readyEndpoints === 0) {
    const why = notReadyEndpoints > 0 ? `none of ${notReadyEndpoints} is ready` : hasSelector ? `none of its ${matchedPods} pods is ready` : 'its EndpointSlices name none'
    yield { code: 'SERVICE_NO_ENDPOINTS', message: `${said} has no endpoint: ${why}`, data: { ...data, notReadyPods: report.notReadyPods } } as const
    return
  }
  const open = endpoints.filter(isOpen)
  const failed = endpoints.filter(attempt => !isOpen(attempt))
  const failedIPs = service.filter(attempt => !isOpen(attempt))
  const isUndeclared = hasSelector && !isNamed && declaredBy === 0
  if (endpoints.length === 0) return
  if (open.length === 0 && isUndeclared && failed.every(({ outcome }) => outcome === 'refused')) {
    const message = `${said} sends to port ${targetPort}, on which nothing listens and which no container declares: ${sayAttempts(failed)}`
    yield { code: 'SERVICE_PORT_MISMATCH', message, data, evidence: evidenceOf(failed) } as const
  } else if (open.length === 0) {
    yield { code: 'SERVICE_ENDPOINTS_FAILED', message: `No endpoint of ${said} can be connected to: ${sayAttempts(failed)}`, data, evidence: evidenceOf(failed) } as const
  } else if (failed.length > 0) {
    const message = `${failed.length} of ${endpoints.length} endpoints of ${said} cannot be connected to: ${sayAttempts(failed)}`
    yield { code: 'SERVICE_ENDPOINT_FAILED', message, data: { ...data, failed: failed.map(({ ip, pod, node }) => ({ ip, pod, node })) }, evidence: evidenceOf(failed) } as const
  } else if (failedIPs.length > 0) {
    const message = `${said} cannot be connected to by its own address, though its endpoints can: ${sayAttempts(failedIPs)}`
    yield { code: 'SERVICE_IP_FAILED', message, data, evidence: evidenceOf(failedIPs) } as const
  } else if (isUndeclared) {
    yield { code: 'SERVICE_PORT_UNDECLARED', message: `No container declares port ${targetPort}, to which ${said} sends; it is open all the same`, data } as const
  }
  const accepted = [...service, ...endpoints].filter(isOpen)
  if (proxy !== null && accepted.length > 0) {
    const message = `The proxy "${proxy}" in the pod accepts every connection: whether ${said} is open cannot be told from a connect`
    yield { code: 'PATH_THROUGH_PROXY', message, data: { ...data, proxy }, evidence: evidenceOf(accepted) } as const
  }
}

export default defineDiagnostic({
  name: 'service-check',
  version: '1',
  title: 'Service check',
  summary: 'Follows a Service to its EndpointSlices and pods, then connects from inside the pod to the Service and to each endpoint',
  symptoms: ['the service does not answer', 'only some requests fail', 'no endpoints available', 'connection refused by a Service', 'wrong target port'],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 0.3,
  examples: [
    { title: 'All ports of a Service', params: { service: { namespace: 'shop', name: 'orders' } } },
    { title: 'One port, and more endpoints than by default', params: { service: { namespace: 'shop', name: 'orders' }, port: 8080, maxEndpoints: 50 } }
  ],
  params: Type.Object({
    service: NamedService,
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: `One port of the Service; all, at most ${mostPorts}, where it is left out` })),
    family: Family,
    waitSeconds: Type.Integer({ minimum: 1, maximum: 30, default: 2, description: 'How long an address may take to answer' }),
    maxEndpoints: Type.Integer({ minimum: 1, maximum: 50, default: 10, description: 'At most this many endpoints of each port are connected to' })
  }, { additionalProperties: false }),
  reads: ({ service: { namespace, name } }) =>
    [{ kind: 'service', namespace, name }, { kind: 'endpointSlices', namespace, name }, { kind: 'pods', namespace }],
  report: Report,
  findings: {
    SERVICE_SELECTOR_MATCHES_NOTHING: {
      severity: 'error',
      title: 'The selector matches no pod',
      meaning: 'No living pod of the namespace has the labels that the Service selects by, so it has no endpoint',
      remedy: 'Compare the selector with the labels of the pods, and check that the workload has replicas'
    },
    SERVICE_NO_ENDPOINTS: {
      severity: 'error',
      title: 'No endpoint is ready',
      meaning: 'Pods may be there, but none is ready to get connections: the Service answers nobody',
      remedy: 'Look at the readiness probes and the log of the pods; without a selector, at whoever keeps the EndpointSlices'
    },
    SERVICE_PORT_UNKNOWN: {
      severity: 'error',
      title: 'The Service does not have this port',
      meaning: 'Connections to this port of the Service reach nobody',
      remedy: 'Use one of its ports, or add this one to the Service'
    },
    SERVICE_PORT_MISMATCH: {
      severity: 'error',
      title: 'The Service sends to a port that its pods do not have',
      meaning: 'Its targetPort is a name that no container has, or a number that no container declares and on which nothing listens',
      remedy: 'Correct targetPort of the Service, or the port on which the application listens'
    },
    SERVICE_ENDPOINTS_FAILED: {
      severity: 'error',
      title: 'No endpoint can be connected to',
      meaning: 'The Service is set up well, but none of its endpoints accepts this pod: they do not listen, or the path or a policy is in the way',
      remedy: 'Refused: see whether the application listens on the pod\'s address. Timed out: check policies and the path to the pods'
    },
    SERVICE_ENDPOINT_FAILED: {
      severity: 'error',
      title: 'Some endpoints cannot be connected to',
      meaning: 'The Service goes on sending its share of connections to them: these fail, the others do not',
      remedy: 'Look at the pods and nodes that are named; a readiness probe should take such a pod out'
    },
    SERVICE_IP_FAILED: {
      severity: 'error',
      title: 'The Service\'s own address fails, though its endpoints answer',
      meaning: 'What translates the address to endpoints on this node (kube-proxy or the network plugin) does not, or a policy forbids the address',
      remedy: 'Look at kube-proxy or its replacement on the node of this pod, and at policies that name the address'
    },
    SERVICE_NOT_TRIED: {
      severity: 'unknown',
      title: 'No endpoint was tried',
      meaning: 'The port is not TCP, its endpoints have no address of the family, or are ones that no diagnostic talks to',
      remedy: 'Nothing, if that is intended; for DNS over UDP launch dns-lookup'
    },
    SERVICE_PODS_NOT_READY: {
      severity: 'warning',
      title: 'Some pods of the Service are not ready',
      meaning: 'They get no connections, or with publishNotReadyAddresses they do although they are not ready; the others carry the load',
      remedy: 'Look at their readiness probes and log'
    },
    SERVICE_PORT_UNDECLARED: {
      severity: 'info',
      title: 'No container declares the target port',
      meaning: 'That alone does no harm: containers may listen on ports that they do not declare',
      remedy: 'Declare it, for whoever reads the manifest'
    },
    SERVICE_IS_ALIAS: {
      severity: 'info',
      title: 'The Service is another name',
      meaning: 'An ExternalName Service has no endpoints: DNS answers with the other name',
      remedy: 'Check the other name, as by reachability or dns-lookup'
    },
    PATH_THROUGH_PROXY: pathThroughProxy
  },
  timeoutSecondsFor: ({ port, waitSeconds, maxEndpoints }) =>
    Math.min(3600, 10 + (port === undefined ? mostPorts : 1) * (2 + maxEndpoints) * (waitSeconds + 1)),

  async measure ({ service: { namespace, name }, port: asked, family, waitSeconds, maxEndpoints }, probe) {
    const service = await probe.objects.service(namespace, name)
    if (!service) throw new Problem('EPH_NOT_FOUND', `Cannot read Service "${namespace}/${name}": it does not exist`)
    const { type, headless, externalName, selector, publishNotReadyAddresses, clusterIPs } = service
    const matched = selector && externalName === null ? (await probe.objects.pods(namespace, selector)).filter(isLiving) : []
    const slices = await probe.objects.endpoints(namespace, name)
    const report: Report = {
      type,
      headless,
      externalName,
      hasSelector: selector !== null,
      publishNotReadyAddresses,
      matchedPods: matched.length,
      notReadyPods: matched.filter(({ ready }) => !ready).map(pod => pod.name).slice(0, mostNames),
      ports: [],
      proxy: sidecarProxyOf(probe.pod)
    }
    const mayTry = (ip: string) => (family === undefined || isIP(ip) === family) && !isRefusedAddress(ip)
    const ports = externalName === null ? service.ports.filter(({ port }) => asked === undefined || port === asked).slice(0, mostPorts) : []
    for (const servicePort of ports) {
      const { name, port, protocol, targetPort } = servicePort
      const all = endpointsOf(slices, servicePort)
      const ready = all.filter(endpoint => endpoint.ready)
      const tried = protocol === 'TCP' ? ready.filter(({ ip }) => mayTry(ip)).slice(0, maxEndpoints) : []
      const ips = tried.length > 0 && !hasRefusedEndpoint(slices) ? clusterIPs.filter(mayTry) : []
      const names = await probe.nameAddresses([...ips, ...tried.map(({ ip }) => ip)])
      const entry: Port = {
        name,
        port,
        protocol,
        targetPort: `${targetPort}`,
        declaredBy: podsWithPort(matched, servicePort).length,
        readyEndpoints: ready.length,
        notReadyEndpoints: all.length - ready.length,
        service: [],
        endpoints: [],
        notTried: ready.filter(endpoint => !tried.includes(endpoint)).map(({ ip }) => ip)
      }
      const once = { waitSeconds, holdMs: 0 }
      for (const [index, ip] of ips.entries()) entry.service.push(await connect(probe, { ip, port, ...once, names: names[index]! }))
      for (const [index, { ip, port }] of tried.entries()) {
        entry.endpoints.push(await connect(probe, { ip, port, ...once, names: names[ips.length + index]! }))
      }
      report.ports.push(entry)
      probe.keep(report)
    }
    return report
  },

  judge (report, { service: { namespace, name }, port }) {
    const said = `Service "${namespace}/${name}"`
    const { externalName, headless, hasSelector, matchedPods, notReadyPods, ports } = report
    if (externalName !== null) return [{ code: 'SERVICE_IS_ALIAS', message: `${said} is another name for "${externalName}"`, data: { externalName } }]
    if (hasSelector && matchedPods === 0) return [{ code: 'SERVICE_SELECTOR_MATCHES_NOTHING', message: `The selector of ${said} matches no pod of its namespace` }]
    // A headless Service translates no port: its endpoints are connected to on whichever the client knows.
    if (ports.length === 0 && !headless) return [{ code: 'SERVICE_PORT_UNKNOWN', message: `${said} has no ${port === undefined ? 'port' : `port ${port}`}`, data: { port } }]
    const found = ports.flatMap(port => [...judgePort(port, report, ports.length === 1 ? said : `${said} port ${port.port}`)])
    const served = ports.filter(({ readyEndpoints }) => readyEndpoints > 0)
    const notTried = [...new Set(served.flatMap(port => port.notTried.map(ip => `${ip} ${port.protocol}`)))]
    return [
      ...found,
      ...served.length > 0 && served.every(({ endpoints }) => endpoints.length === 0)
        ? [{ code: 'SERVICE_NOT_TRIED', message: `No endpoint of ${said} was tried: ${notTried.join(', ')}`, data: { notTried } } as const]
        : [],
      ...served.length > 0 && notReadyPods.length > 0
        ? [{ code: 'SERVICE_PODS_NOT_READY', message: `Not all of the ${matchedPods} pods of ${said} are ready: ${notReadyPods.join(', ')}`, data: { notReadyPods } } as const]
        : []
    ]
  }
})

import { Type, type Static } from 'typebox'
import { askUdp, Attempt, connect, evidenceOf, isOpen, sayAttempts } from '#analysis/connect.ts'
import { pathThroughProxy } from '#analysis/path-through-proxy.ts'
import { resolvePlace, secondsToResolve } from '#analysis/resolve-place.ts'
import { aimErrors, Destination, Family, placeReadings, sayPlace } from '#core/destination.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { OrNull } from '#core/schema.ts'
import { sidecarProxyOf } from '#core/sidecar-proxy.ts'

/** The kernel sends a lost SYN again after a second: an attempt that took so long has lost one. */
const slowMs = 1000
const maxAddresses = 8

const Connection = Type.Object({
  ...Destination.properties,
  dnsStatus: OrNull(Type.String({ description: 'How its name was resolved, as NOERROR or NXDOMAIN, or TIMEOUT; null: no name had to be' })),
  attempts: Type.Array(Attempt, { description: 'Addresses in the order they were tried' }),
  notTried: Type.Array(Type.String(), { description: `Addresses that were not tried: those that no diagnostic may talk to, and what is beyond ${maxAddresses}` })
}, { description: 'One destination' })
type Connection = Static<typeof Connection>

const failures = {
  refused: { tcp: { code: 'TCP_REFUSED' }, udp: { code: 'UDP_REFUSED' }, what: 'refuses the connection' },
  timeout: { tcp: { code: 'TCP_TIMEOUT' }, udp: { code: 'UDP_NO_ANSWER' }, what: 'does not answer' },
  unreachable: { tcp: { code: 'TCP_UNREACHABLE' }, udp: { code: 'UDP_UNREACHABLE' }, what: 'cannot be reached' },
  reset: { tcp: { code: 'TCP_RESET' }, udp: { code: 'UDP_UNREACHABLE' }, what: 'cuts the connection' },
  failed: { tcp: { code: 'TCP_FAILED' }, udp: { code: 'UDP_UNREACHABLE' }, what: 'cannot be connected to' }
} as const
type Protocol = 'tcp' | 'udp'

const say = (destination: Destination, protocol: Protocol) => `${sayPlace(destination)} ${protocol === 'udp' ? 'UDP ' : ''}port ${destination.port}`

function * judgeAttempts ({ attempts }: Connection, data: Destination, protocol: Protocol) {
  const place = say(data, protocol)
  const open = attempts.filter(isOpen)
  const closed = attempts.filter(attempt => !isOpen(attempt))
  if (open.length > 0 && closed.length > 0) {
    yield { code: 'TCP_ADDRESS_FAILED', message: `Not every address of ${place} is open: ${sayAttempts(closed)}`, data, evidence: evidenceOf(closed) } as const
  }
  const [first] = closed
  if (open.length === 0 && first && first.outcome !== 'open') {
    const { [protocol]: { code }, what } = failures[first.outcome]
    yield { code, message: `${place} ${what}: ${sayAttempts(closed)}`, data: { ...data, ip: first.ip }, evidence: evidenceOf(closed) }
  }
  // What answers a datagram may take its time.
  const slow = protocol === 'tcp' ? open.filter(({ elapsedMs }) => elapsedMs >= slowMs) : []
  if (slow.length > 0) {
    const times = slow.map(({ ip, elapsedMs }) => `${ip} after ${elapsedMs} ms`).join(', ')
    yield { code: 'TCP_SLOW', message: `${place} was open only late: ${times}`, data, evidence: evidenceOf(slow) } as const
  }
}

interface Expectation { data: Destination, proxy: string | null, expect: 'open' | 'closed', protocol: Protocol }

function * judgeConnection (connection: Connection, { data, proxy, expect, protocol }: Expectation) {
  const { dnsStatus, attempts, notTried } = connection
  const place = sayPlace(data)
  const open = attempts.filter(isOpen)
  if (attempts.length === 0 && notTried.length === 0) {
    yield { code: 'TCP_NAME_UNRESOLVED', message: `${place} has no address${dnsStatus === null ? '' : `: ${dnsStatus}`}`, data: { ...data, dnsStatus } } as const
    return
  }
  if (attempts.length === 0) {
    yield { code: 'TCP_NOT_TRIED', message: `${place} is an address that no diagnostic may talk to: ${notTried.join(', ')}`, data } as const
    return
  }
  if (open.length > 0 && proxy !== null && protocol === 'tcp') {
    const message = `The proxy "${proxy}" in the pod accepts every connection: that ${say(data, protocol)} is open cannot be told from a connect`
    yield { code: 'PATH_THROUGH_PROXY', message, data: { ...data, proxy }, evidence: evidenceOf(open) } as const
  } else if (expect === 'closed' && open.length > 0) {
    const message = `${say(data, protocol)} is open, though closed was expected: ${open.map(({ ip }) => ip).join(', ')}`
    const common = { message, data, evidence: evidenceOf(open) }
    yield protocol === 'tcp' ? { code: 'TCP_NOT_CLOSED', ...common } as const : { code: 'UDP_NOT_CLOSED', ...common } as const
  }
  if (expect === 'open') yield * judgeAttempts(connection, data, protocol)
}

export default defineDiagnostic({
  name: 'tcp-connect',
  version: '1',
  title: 'TCP connect',
  summary: 'Connects from inside the pod to ports, sends nothing, and tells refused, dropped and unreachable apart; over UDP it asks and waits for an answer',
  symptoms: ['connection refused', 'connection timed out', 'no route to host', 'is the port open', 'does the policy block it'],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 0.5,
  examples: [
    { title: 'A port of a Service, by its name', params: { destinations: [{ host: 'orders.shop', port: 8080 }] } },
    { title: 'A Service and a pod, by what the cluster knows of them', params: { destinations: [{ service: { namespace: 'shop', name: 'orders' }, port: 8080 }, { pod: { namespace: 'shop', name: 'orders-0' }, port: 8080 }] } },
    { title: 'That a policy keeps a database closed', params: { destinations: [{ host: 'postgres.data', port: 5432 }], expect: 'closed' } },
    { title: 'A DNS server over UDP', params: { destinations: [{ host: '10.96.0.10', port: 53 }], protocol: 'udp', udpQuestion: 'dns' } },
    { title: 'Two addresses', params: { destinations: [{ host: '10.96.0.10', port: 53 }, { host: '2001:db8::1', port: 443 }], waitSeconds: 1 } }
  ],
  params: Type.Object({
    destinations: Type.Array(Destination, {
      minItems: 1, maxItems: 20, description: 'Destinations; names are resolved as the pod resolves them, and each of their addresses is tried'
    }),
    family: Family,
    protocol: Type.Enum(['tcp', 'udp'], { default: 'tcp', description: 'udp: a datagram is sent, and open is what answers it' }),
    udpQuestion: Type.Enum(['line', 'dns', 'ntp'], { default: 'line', description: 'What the datagram is: an empty line, a question to a DNS server, or to a time server' }),
    expect: Type.Enum(['open', 'closed'], { default: 'open', description: 'closed: an open port fails, as for a policy that should block' }),
    waitSeconds: Type.Integer({ minimum: 1, maximum: 30, default: 3, description: 'How long an address may take to answer' }),
    holdMs: Type.Integer({
      minimum: 0, maximum: 10_000, default: 200, description: 'How long an open TCP connection is held, in a second connect, to see whether it is cut; 0: not at all'
    })
  }, { additionalProperties: false }),
  contradictions: ({ destinations, family }) =>
    destinations.flatMap((destination, index) => aimErrors(destination, `/params/destinations/${index}`, family)),
  reads: ({ destinations }) => destinations.flatMap(placeReadings),
  report: Type.Object({
    connections: Type.Array(Connection, { description: 'One for each destination, in this order' }),
    proxy: OrNull(Type.String({ description: 'Container of the pod that takes over its connections (a service mesh\'s proxy)' }))
  }),
  findings: {
    TCP_REFUSED: {
      severity: 'error',
      title: 'The connection is refused',
      meaning: 'The address answered with a reset: nothing listens there, the Service has no endpoint, or a policy rejects',
      remedy: 'Check that the application listens on this port and not only on localhost, the targetPort of the Service, and policies'
    },
    TCP_TIMEOUT: {
      severity: 'error',
      title: 'The connection is not answered',
      meaning: 'Packets or their answers are dropped: by a policy or firewall, on the way, or because nobody has the address',
      remedy: 'Check the NetworkPolicies of both pods and firewalls on the way; a packet-capture on the other side shows whether they arrive'
    },
    TCP_UNREACHABLE: {
      severity: 'error',
      title: 'There is no way to the address',
      meaning: 'The pod or a router says that it knows no way: no route, no neighbour, no such address family, or a rule that answers so',
      remedy: 'Check the routes of pod and node, and whether the pod has this address family at all'
    },
    TCP_RESET: {
      severity: 'error',
      title: 'The connection is accepted, and cut',
      meaning: 'The other side, or something between as a load balancer that has nobody behind it, accepted it and reset it before anything was sent',
      remedy: 'Look at the log of the application and of load balancers on the way'
    },
    TCP_FAILED: {
      severity: 'error',
      title: 'The connection fails on this side',
      meaning: 'The kernel of the pod\'s node refused to try, as by a local firewall rule or a policy that is enforced here',
      remedy: 'See the reason in the report; check the egress policies of the pod'
    },
    UDP_REFUSED: {
      severity: 'error',
      title: 'The UDP port is closed',
      meaning: 'The address says that nothing listens on this port, or the Service has no endpoint, or a policy rejects',
      remedy: 'Check that the application listens on this port, the targetPort of the Service, and policies'
    },
    UDP_NO_ANSWER: {
      severity: 'error',
      title: 'The datagram is not answered',
      meaning: 'It or its answer is dropped, or what listens there does not answer this question: over UDP the two look alike',
      remedy: 'Choose the udpQuestion that the service speaks; check policies; a packet-capture on the other side shows whether it arrives'
    },
    UDP_UNREACHABLE: {
      severity: 'error',
      title: 'The datagram cannot be sent',
      meaning: 'The pod knows no way to the address, or the kernel of its node refuses to send',
      remedy: 'Check the routes of pod and node, whether the pod has this address family at all, and its egress policies'
    },
    UDP_NOT_CLOSED: {
      severity: 'error',
      title: 'The UDP port answers',
      meaning: 'It was expected to be closed, and a datagram was answered',
      remedy: 'Check that a policy selects the pods, and that the network plugin enforces policies'
    },
    TCP_NAME_UNRESOLVED: {
      severity: 'error',
      title: 'There is no address',
      meaning: 'No connection was tried: the pod\'s DNS gave no address for the name, the pod has none, or the headless Service no ready endpoint',
      remedy: 'Launch dns-lookup for a name, service-check for a Service'
    },
    TCP_NOT_CLOSED: {
      severity: 'error',
      title: 'The port is open',
      meaning: 'It was expected to be closed, and a connection was accepted',
      remedy: 'Check that a policy selects the pods, and that the network plugin enforces policies'
    },
    TCP_ADDRESS_FAILED: {
      severity: 'warning',
      title: 'Some addresses of the name fail',
      meaning: 'Applications that take the first address, or go through them in turn, fail now and then',
      remedy: 'Check the endpoints behind these addresses'
    },
    TCP_SLOW: {
      severity: 'warning',
      title: 'The connection was accepted late',
      meaning: 'The first packets were lost and sent again, or the accept queue of the application is full',
      remedy: 'Check packet loss on the way, and the load of the application'
    },
    TCP_NOT_TRIED: {
      severity: 'unknown',
      title: 'The address was not tried',
      meaning: 'The name stands for an address to which no diagnostic talks: of a cloud\'s metadata service, link-local, multicast or broadcast',
      remedy: 'Nothing, if the name is meant to point there'
    },
    PATH_THROUGH_PROXY: pathThroughProxy
  },
  timeoutSecondsFor: ({ destinations, waitSeconds, holdMs }) => {
    const seconds = secondsToResolve + maxAddresses * (2 * waitSeconds + Math.ceil(holdMs / 1000) + 1)
    return Math.min(3600, 10 + destinations.length * seconds)
  },

  async measure ({ destinations, family, protocol, udpQuestion, waitSeconds, holdMs }, probe) {
    const report = { connections: [] as Connection[], proxy: sidecarProxyOf(probe.pod) }
    for (const destination of destinations) {
      const { dnsStatus, addresses, refused } = await resolvePlace(destination, probe, family)
      const tried = addresses.slice(0, maxAddresses)
      const names = await probe.nameAddresses(tried)
      const connection: Connection = { ...destination, dnsStatus, attempts: [], notTried: [...addresses.slice(maxAddresses), ...refused] }
      for (const [index, ip] of tried.entries()) {
        const aim = { ip, port: destination.port, waitSeconds, names: names[index]! }
        connection.attempts.push(protocol === 'tcp' ? await connect(probe, { ...aim, holdMs }) : await askUdp(probe, udpQuestion, aim))
      }
      report.connections.push(connection)
      probe.keep(report)
    }
    return report
  },

  judge: ({ connections, proxy }, { destinations, expect, protocol }) =>
    connections.flatMap((connection, index) => [...judgeConnection(connection, { data: destinations[index]!, proxy, expect, protocol })])
})

import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import { askDns, secondsPerQuestion } from '#analysis/ask-dns.ts'
import { parseDig } from '#analysis/dig.ts'
import { toDnsQuery } from '#analysis/dns-query.ts'
import { connectOutcomes, parseNetcat } from '#analysis/netcat.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { Host, isHost } from '#core/host.ts'
import type { Probe } from '#core/probe.ts'
import { isRefusedAddress } from '#core/refused-addresses.ts'
import { OrNull } from '#core/schema.ts'
import { sidecarProxyOf } from '#core/sidecar-proxy.ts'

/** The kernel sends a lost SYN again after a second: an attempt that took so long has lost one. */
const slowMs = 1000
const maxAddresses = 8
const families = ['A', 'AAAA'] as const

const Attempt = Type.Object({
  ip: Type.String({ description: 'Address that was tried' }),
  outcome: Type.Enum(connectOutcomes, {
    description: 'open; refused: answered with a reset; timeout: not answered at all; unreachable: the network says that there is no way; ' +
      'reset: cut as it was accepted; failed: see reason'
  }),
  reason: OrNull(Type.String({ description: 'What the kernel said; null where it is open' })),
  elapsedMs: Type.Integer({ description: 'Milliseconds of the attempt, about 5 for starting the tool included' }),
  run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs it was, from 0' })
}, { description: 'One address of a destination' })
type Attempt = Static<typeof Attempt>

const Connection = Type.Object({
  host: Type.String({ description: 'Host as it was given' }),
  port: Type.Integer({ description: 'Port' }),
  dnsStatus: OrNull(Type.String({ description: 'How its name was resolved, as NOERROR or NXDOMAIN, or TIMEOUT; null: the host is an address' })),
  attempts: Type.Array(Attempt, { description: 'Addresses in the order they were tried' }),
  notTried: Type.Array(Type.String(), { description: `Addresses that were not tried: those that no diagnostic may talk to, and what is beyond ${maxAddresses}` })
}, { description: 'One destination' })
type Connection = Static<typeof Connection>

interface Resolved { dnsStatus: string | null, addresses: string[] }

async function resolve (host: string, ask: Probe['run']): Promise<Resolved> {
  if (isIP(host) !== 0) return { dnsStatus: null, addresses: [host] }
  let dnsStatus = 'TIMEOUT'
  for (const type of families) {
    const { stdout } = await ask(askDns(type, host))
    const { status, answers } = toDnsQuery(host, type, parseDig(stdout))
    const addresses = answers.filter(answer => answer.type === type).map(({ data }) => data).filter(data => isIP(data) !== 0)
    dnsStatus = status ?? 'TIMEOUT'
    // The other family is for hosts without IPv4; a name that is not there, or servers that do not answer, are the same for both.
    if (addresses.length > 0 || status !== 'NOERROR') return { dnsStatus, addresses }
  }
  return { dnsStatus, addresses: [] }
}

const failures = {
  refused: { code: 'TCP_REFUSED', what: 'refuses the connection' },
  timeout: { code: 'TCP_TIMEOUT', what: 'does not answer' },
  unreachable: { code: 'TCP_UNREACHABLE', what: 'cannot be reached' },
  reset: { code: 'TCP_RESET', what: 'cuts the connection' },
  failed: { code: 'TCP_FAILED', what: 'cannot be connected to' }
} as const

const isOpen = ({ outcome }: Attempt) => outcome === 'open'
const evidenceOf = (attempts: Attempt[]) => attempts.map(({ run }) => ({ run }))

function * judgeAttempts ({ host, port, attempts }: Connection) {
  const place = `"${host}" port ${port}`
  const open = attempts.filter(isOpen)
  const closed = attempts.filter(attempt => !isOpen(attempt))
  const say = (some: Attempt[]) => some.map(({ ip, outcome, reason }) => `${ip} (${reason ?? outcome})`).join(', ')
  const data = { host, port }
  if (open.length > 0 && closed.length > 0) {
    yield { code: 'TCP_ADDRESS_FAILED', message: `Not every address of ${place} is open: ${say(closed)}`, data, evidence: evidenceOf(closed) } as const
  }
  const [first] = closed
  if (open.length === 0 && first && first.outcome !== 'open') {
    const { code, what } = failures[first.outcome]
    yield { code, message: `${place} ${what}: ${say(closed)}`, data: { ...data, ip: first.ip }, evidence: evidenceOf(closed) }
  }
  const slow = open.filter(({ elapsedMs }) => elapsedMs >= slowMs)
  if (slow.length > 0) {
    const times = slow.map(({ ip, elapsedMs }) => `${ip} after ${elapsedMs} ms`).join(', ')
    yield { code: 'TCP_SLOW', message: `${place} was open only late: ${times}`, data, evidence: evidenceOf(slow) } as const
  }
}

function * judgeConnection (connection: Connection, proxy: string | null, expect: 'open' | 'closed') {
  const { host, port, dnsStatus, attempts, notTried } = connection
  const data = { host, port }
  const open = attempts.filter(isOpen)
  if (attempts.length === 0 && notTried.length === 0) {
    yield { code: 'TCP_NAME_UNRESOLVED', message: `"${host}" has no address: ${dnsStatus}`, data: { ...data, dnsStatus } } as const
    return
  }
  if (attempts.length === 0) {
    yield { code: 'TCP_NOT_TRIED', message: `"${host}" is an address that no diagnostic may talk to: ${notTried.join(', ')}`, data } as const
    return
  }
  if (open.length > 0 && proxy !== null) {
    const message = `The proxy "${proxy}" in the pod accepts every connection: that "${host}" port ${port} is open cannot be told from a connect`
    yield { code: 'PATH_THROUGH_PROXY', message, data: { ...data, proxy }, evidence: evidenceOf(open) } as const
  } else if (expect === 'closed' && open.length > 0) {
    const message = `"${host}" port ${port} is open, though closed was expected: ${open.map(({ ip }) => ip).join(', ')}`
    yield { code: 'TCP_NOT_CLOSED', message, data, evidence: evidenceOf(open) } as const
  }
  if (expect === 'open') yield * judgeAttempts(connection)
}

export default defineDiagnostic({
  name: 'tcp-connect',
  version: '1',
  title: 'TCP connect',
  summary: 'Connects from inside the pod to ports, sends nothing, and tells refused, dropped and unreachable apart',
  symptoms: ['connection refused', 'connection timed out', 'no route to host', 'is the port open', 'does the policy block it'],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 0.1,
  examples: [
    { title: 'A port of a Service', params: { destinations: [{ host: 'orders.shop', port: 8080 }] } },
    { title: 'That a policy keeps a database closed', params: { destinations: [{ host: 'postgres.data', port: 5432 }], expect: 'closed' } },
    { title: 'Two addresses', params: { destinations: [{ host: '10.96.0.10', port: 53 }, { host: '2001:db8::1', port: 443 }], waitSeconds: 1 } }
  ],
  params: Type.Object({
    destinations: Type.Array(Type.Object({
      host: Host,
      port: Type.Integer({ minimum: 1, maximum: 65535, description: 'TCP port' })
    }, { additionalProperties: false, description: 'Where to connect to' }), {
      minItems: 1, maxItems: 20, description: 'Destinations; names are resolved as the pod resolves them, and each of their addresses is tried'
    }),
    expect: Type.Enum(['open', 'closed'], { default: 'open', description: 'closed: an open port fails, as for a policy that should block' }),
    waitSeconds: Type.Integer({ minimum: 1, maximum: 30, default: 3, description: 'How long an address may take to answer' })
  }, { additionalProperties: false }),
  contradictions: ({ destinations }) => destinations.flatMap(({ host }, index) => {
    const pointer = `/params/destinations/${index}/host`
    if (!isHost(host)) return [{ pointer, detail: 'must be a name or a whole address' }]
    return isRefusedAddress(host) ? [{ pointer, detail: 'must not be the address of a metadata service: no diagnostic may talk to it' }] : []
  }),
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
      title: 'The connection is cut as it is accepted',
      meaning: 'The other side or something between accepted and reset it',
      remedy: 'Look at the log of the application and of load balancers on the way'
    },
    TCP_FAILED: {
      severity: 'error',
      title: 'The connection fails on this side',
      meaning: 'The kernel of the pod\'s node refused to try, as by a local firewall rule or a policy that is enforced here',
      remedy: 'See the reason in the report; check the egress policies of the pod'
    },
    TCP_NAME_UNRESOLVED: {
      severity: 'error',
      title: 'The name has no address',
      meaning: 'No connection was tried, because the pod\'s DNS gave no address for the name',
      remedy: 'Launch dns-lookup for the name'
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
      meaning: 'The name stands for an address of a cloud\'s metadata service, to which no diagnostic talks',
      remedy: 'Nothing, if the name is meant to point there'
    },
    PATH_THROUGH_PROXY: {
      severity: 'unknown',
      title: 'A proxy in the pod accepted the connection',
      meaning: 'The proxy of a service mesh accepts every connection of the pod; whether the other side does is not known',
      remedy: 'Look at the proxy\'s log or statistics, or measure from a pod without it'
    }
  },
  timeoutSecondsFor: ({ destinations, waitSeconds }) =>
    Math.min(3600, 10 + destinations.length * (families.length * secondsPerQuestion + maxAddresses * (waitSeconds + 1))),

  async measure ({ destinations, waitSeconds }, probe) {
    let runs = 0
    const ask: Probe['run'] = argv => { runs++; return probe.run(argv) }
    const report = { connections: [] as Connection[], proxy: sidecarProxyOf(probe.pod) }
    for (const { host, port } of destinations) {
      const { dnsStatus, addresses } = await resolve(host, ask)
      const allowed = addresses.filter(ip => !isRefusedAddress(ip))
      const tried = allowed.slice(0, maxAddresses)
      const connection: Connection = { host, port, dnsStatus, attempts: [], notTried: addresses.filter(ip => !tried.includes(ip)) }
      for (const ip of tried) {
        const run = runs
        const { stderr, durationMs } = await ask(['nc', '-n', '-v', '-z', '-w', `${waitSeconds}`, ip, `${port}`])
        connection.attempts.push({ ip, ...parseNetcat(stderr), elapsedMs: durationMs, run })
      }
      report.connections.push(connection)
      probe.keep(report)
    }
    return report
  },

  judge: ({ connections, proxy }, { expect }) => connections.flatMap(connection => [...judgeConnection(connection, proxy, expect)])
})

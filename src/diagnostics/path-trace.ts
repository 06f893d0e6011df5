import { Type, type Static } from 'typebox'
import { checkByPing, PingCheck, secondsToCheck } from '#analysis/check-by-ping.ts'
import { findPathMtu, PathMtu, secondsToFindMtu } from '#analysis/path-mtu.ts'
import { resolvePlace, secondsToResolve } from '#analysis/resolve-place.ts'
import { portOfService, serviceAt } from '#analysis/service-address.ts'
import { sampleMethods, Samples, secondsToSample, takeSamples, type SampleMethod } from '#analysis/take-samples.ts'
import { TracedPath, tracePath } from '#analysis/trace-path.ts'
import { AddressNames, nameless } from '#core/address.ts'
import { aimErrors, Family, Place, placeReadings, sayPlace } from '#core/destination.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { OrNull } from '#core/schema.ts'
import { sidecarProxyOf } from '#core/sidecar-proxy.ts'

const Traced = Type.Object({ ip: Type.String({ description: 'Its address' }), ...AddressNames.properties }, { description: 'The address that was traced' })

const Report = Type.Object({
  ...Place.properties,
  dnsStatus: OrNull(Type.String({ description: 'How its name was resolved, as NOERROR or NXDOMAIN, or TIMEOUT; null: no name had to be' })),
  traced: OrNull(Traced),
  notTried: Type.Array(Type.String(), { description: 'Further addresses, and those that no diagnostic may talk to' }),
  port: OrNull(Type.Integer({ description: 'TCP port; null with other methods' })),
  ...Samples.properties,
  ...TracedPath.properties,
  addresses: Type.Array(Type.Object(Traced.properties), { description: 'All that answered on the way, with their names' }),
  check: OrNull(PingCheck),
  mtu: OrNull(PathMtu),
  proxy: OrNull(Type.String({ description: 'Container of the pod that takes over its TCP connections (a service mesh\'s proxy)' }))
})
type Report = Static<typeof Report>

/** Whether the destination answers whatever is a ping: then what is lost of UDP is lost, or not answered, at the destination itself. */
const onlyUdpIsLost = ({ check, reachedHop, lossFromHop }: Report) =>
  check !== null && check.received === check.sent && (reachedHop === null || lossFromHop === reachedHop)

function lossOf (report: Report): { hop: number, sent: number, answered: number } | null {
  const { hops, reachedHop, lossFromHop, check } = report
  if (onlyUdpIsLost(report)) return null
  const end = hops.at(-1)
  if (reachedHop !== null) return lossFromHop !== null && end ? { ...end, hop: lossFromHop } : null
  return check && check.received > 0 ? { hop: (end?.hop ?? 0) + 1, sent: check.sent, answered: check.received } : null
}

interface Question { where: string, maxHops: number, evidence: { run: number }[] }

function endOf ({ reachedHop, hops, refusals, loop, failure, check }: Report, { where, maxHops, evidence }: Question) {
  if (failure !== null) {
    return { code: 'TRACE_UNREACHABLE', message: `The kernel of the pod sends nothing to ${where}: ${failure}`, data: { reason: failure }, evidence } as const
  }
  const [refusal] = refusals
  if (refusal) {
    const { hop, ip, reason } = refusal
    const places = refusals.map(({ run, line }) => ({ run, line }))
    const message = `${ip ?? 'The kernel of the pod'} says that ${where} is not to be reached: ${reason}`
    return { code: 'TRACE_UNREACHABLE', message, data: { hop, ip, reason, times: refusals.length }, evidence: places } as const
  }
  if (loop.length > 0) return { code: 'TRACE_LOOP', message: `Packets to ${where} go in circles: ${loop.join(', ')}`, data: { loop }, evidence } as const
  if (reachedHop !== null || (check && check.received > 0)) return null
  const last = hops.at(-1)
  const data = { hop: last?.hop ?? 0, ips: last?.ips ?? [] }
  if (data.hop === maxHops) return { code: 'TRACE_TOO_FAR', message: `${where} is more than ${maxHops} hops away`, data, evidence } as const
  const end = last ? `behind hop ${last.hop}, ${last.ips.join(' or ')}` : 'before the first hop'
  return { code: 'TRACE_PATH_ENDS', message: `The path to ${where} ends ${end}: nothing there answers`, data, evidence } as const
}

function * judgePath (report: Report, question: Question) {
  const { hops, loop, check } = report
  const { where, evidence } = question
  const end = endOf(report, question)
  if (end) yield end
  const loss = lossOf(report)
  if (loss) {
    const { hop, sent, answered } = loss
    const ips = hops[hop - 1]?.ips ?? []
    const message = `Loss begins at hop ${hop}${ips.length > 0 ? `, ${ips.join(' or ')}` : ''}: ${where} answers ${answered} of ${sent} packets`
    yield { code: 'TRACE_LOSS', message, data: { hop, ips, sent, answered }, evidence } as const
  }
  if (check && onlyUdpIsLost(report)) {
    const message = `${where} answers every ping, but not every packet of UDP`
    yield { code: 'TRACE_UDP_UNANSWERED', message, data: { ...check }, evidence } as const
  }
  const forks = hops.filter(({ ips }) => ips.length > 1).map(({ hop, ips }) => ({ hop, ips }))
  if (forks.length > 0 && loop.length === 0) {
    const message = `Packets to ${where} go different ways: ${forks.map(({ hop, ips }) => `hop ${hop} is ${ips.join(' or ')}`).join(', ')}`
    yield { code: 'TRACE_ROUTE_DIFFERS', message, data: { hops: forks }, evidence } as const
  }
}

function * judgeMtu (mtu: PathMtu, where: string) {
  const { deviceBytes, triedBytes, arrives, limitedBy, lastHop, run } = mtu
  const rest = { data: { ...mtu }, evidence: [{ run }] }
  if (!arrives) {
    const message = `Packets of ${triedBytes} bytes to ${where} vanish behind hop ${lastHop} without a word; small ones arrive`
    yield { code: 'TRACE_MTU_BLACK_HOLE', message, ...rest } as const
  } else if (triedBytes < deviceBytes) {
    const message = `The path to ${where} takes packets of ${triedBytes} bytes, as ${limitedBy} says; the device of the pod sends ${deviceBytes}`
    yield { code: 'TRACE_MTU_REDUCED', message, ...rest } as const
  }
}

function * judgeReport (report: Report, place: Place, { method, maxHops }: { method: SampleMethod, maxHops: number }) {
  const { traced, dnsStatus, notTried, permitted, samples, check, mtu, proxy, reachedHop } = report
  const where = `${sayPlace(place)}${!traced || place.host === traced.ip ? '' : ` (${traced.ip})`}`
  const data = { ...place }
  const evidence = [...new Set([...samples, ...check ? [check] : []].map(({ run }) => run))].map(run => ({ run }))
  if (!traced) {
    yield notTried.length > 0
      ? { code: 'TRACE_NOT_TRIED', message: `${where} is an address that no diagnostic may talk to: ${notTried.join(', ')}`, data } as const
      : { code: 'TRACE_NAME_UNRESOLVED', message: `${where} has no address${dnsStatus === null ? '' : `: ${dnsStatus}`}`, data: { ...data, dnsStatus } } as const
  } else if (traced.service && method !== 'tcp') {
    yield { code: 'TRACE_SERVICE_ADDRESS', message: `${where} is the address of a Service, to which only connects have a way`, data } as const
  } else if (!permitted) {
    yield { code: 'TRACE_NOT_PERMITTED', message: `The session may not send what method ${method} sends`, data: { ...data, method }, evidence } as const
  } else if (proxy !== null && method === 'tcp' && reachedHop === 1) {
    yield { code: 'TRACE_THROUGH_PROXY', message: `The proxy "${proxy}" in the pod answers in place of ${where}`, data: { ...data, proxy }, evidence } as const
  } else {
    yield * judgePath(report, { where, maxHops, evidence })
    if (mtu) yield * judgeMtu(mtu, where)
  }
}

export default defineDiagnostic({
  name: 'path-trace',
  version: '1',
  title: 'Path trace',
  summary: 'Traces the way of packets from inside the pod: who is on it, where it ends, where loss begins, which size it carries',
  symptoms: ['where do packets get lost', 'no route to host', 'connection hangs after it is open', 'large transfers stall', 'routing loop'],
  profiles: ['restricted', 'netraw', 'defaultcaps'],
  profilesFor: ({ method }) => method === 'udp' ? ['restricted'] : method === 'tcp' ? ['netraw', 'defaultcaps'] : ['netraw', 'defaultcaps', 'restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 4,
  examples: [
    { title: 'The way to a node', params: { destination: { host: '10.99.0.1' } } },
    { title: 'Where sparse loss begins', params: { destination: { host: '192.0.2.10' }, method: 'mtr', samples: 30 } },
    { title: 'Where connects to a database end', params: { destination: { host: 'db.example.com' }, method: 'tcp', port: 5432 } },
    { title: 'The way to a pod', params: { destination: { pod: { namespace: 'shop', name: 'db-0' } } } }
  ],
  params: Type.Object({
    destination: Place,
    family: Family,
    method: Type.Enum(sampleMethods, {
      default: 'udp',
      description: 'udp: to ports that nobody uses; icmp: pings, which firewalls pass more often; tcp: the first packet of a connect, as an application ' +
        'sends it; mtr: pings to all hops at once, each second, for many samples. All but udp use NET_RAW, without which tcp is refused'
    }),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: 'TCP port; absent: the first of a Service, else 443' })),
    samples: Type.Integer({ minimum: 1, maximum: 30, default: 3, description: 'How often the path is traced, once a second' }),
    maxHops: Type.Integer({ minimum: 1, maximum: 64, default: 30, description: 'How far it is followed' }),
    waitSeconds: Type.Integer({ minimum: 1, maximum: 5, default: 2, description: 'How long a silent hop is waited for' }),
    measureMtu: Type.Boolean({ default: true, description: 'Whether to find the largest packet that arrives, too; not with tcp' })
  }, { additionalProperties: false }),
  contradictions: ({ destination, family }) => aimErrors(destination, '/params/destination', family),
  reads: ({ destination }) => placeReadings(destination),
  report: Report,
  findings: {
    TRACE_PATH_ENDS: {
      severity: 'error',
      title: 'The path ends before the destination',
      meaning: 'Behind this hop nothing answers: packets are dropped there or at the destination, or the way back is missing',
      remedy: 'Check routes and firewalls of the hop that answers last and of what should come next; method tcp shows whether connects get further'
    },
    TRACE_UNREACHABLE: {
      severity: 'error',
      title: 'The network says that there is no way',
      meaning: 'A router or the kernel of the pod answered that packets cannot be delivered or are forbidden',
      remedy: 'See who says it in the finding: check its routes, whether its neighbour is up, and its firewall'
    },
    TRACE_LOOP: {
      severity: 'error',
      title: 'Packets go in circles',
      meaning: 'Routers send them to each other until they have run out of hops: each takes another for the way to this address',
      remedy: 'Check the routes of the named routers for the address'
    },
    TRACE_LOSS: {
      severity: 'warning',
      title: 'Packets get lost from a hop on',
      meaning: 'This hop and all behind it lose packets, the destination too: they are dropped at it, on the link before it, or on the way back; ' +
        'where the pod permits no pings, a destination that limits its answers to UDP looks like loss at the last hop',
      remedy: 'Check load, errors and queues of the link to the named hop; repeat with more samples to be sure of the hop'
    },
    TRACE_MTU_BLACK_HOLE: {
      severity: 'error',
      title: 'Large packets vanish',
      meaning: 'A link takes smaller packets only, and what its router says of it does not arrive: connections open, and stall when data flows',
      remedy: 'Let ICMP "fragmentation needed" pass firewalls, give the link or the pods the right MTU, or clamp the MSS'
    },
    TRACE_MTU_REDUCED: {
      severity: 'warning',
      title: 'A link on the path takes smaller packets than the pod sends',
      meaning: 'The router says so, and senders adapt; whoever drops such messages on the way makes connections stall',
      remedy: 'Give pods or the link the right MTU, or see that ICMP "fragmentation needed" passes every firewall'
    },
    TRACE_ROUTE_DIFFERS: {
      severity: 'info',
      title: 'Samples took different ways',
      meaning: 'Routers share packets among several ways, or the route changed meanwhile',
      remedy: 'Nothing where load is shared; else look for a route that comes and goes'
    },
    TRACE_UDP_UNANSWERED: {
      severity: 'info',
      title: 'The destination answers pings, but not all of UDP',
      meaning: 'Its firewall drops UDP to unused ports, or its kernel limits such answers: the path itself carries packets',
      remedy: 'Use method icmp or tcp to see the whole path'
    },
    TRACE_TOO_FAR: {
      severity: 'unknown',
      title: 'The destination is farther than was followed',
      meaning: 'The last hop that was asked answered, and it is not the destination',
      remedy: 'Use a larger maxHops'
    },
    TRACE_NOT_PERMITTED: {
      severity: 'unknown',
      title: 'The session may not send such packets',
      meaning: 'The admitted profile has no NET_RAW, and ping_group_range of the pod excludes us',
      remedy: 'Use method udp'
    },
    TRACE_SERVICE_ADDRESS: {
      severity: 'unknown',
      title: 'The address of a Service has no path of its own',
      meaning: 'It exists in the rules of the nodes only, for the ports of the Service: UDP and pings to it end nowhere',
      remedy: 'Use method tcp, or name a pod'
    },
    TRACE_THROUGH_PROXY: {
      severity: 'unknown',
      title: 'A proxy in the pod answers in place of the destination',
      meaning: 'The proxy of a service mesh accepts every connection of the pod: its path ends there',
      remedy: 'Use method udp or icmp, or measure from a pod without it'
    },
    TRACE_NAME_UNRESOLVED: {
      severity: 'error',
      title: 'There is no address to trace',
      meaning: 'The pod\'s DNS gave no address for the name, the pod has none, or the headless Service no ready endpoint',
      remedy: 'Launch dns-lookup for a name, service-check for a Service'
    },
    TRACE_NOT_TRIED: {
      severity: 'unknown',
      title: 'The address was not traced',
      meaning: 'The destination stands for an address to which no diagnostic talks: of a cloud\'s metadata service, link-local, multicast or broadcast',
      remedy: 'Nothing, if the name is meant to point there'
    }
  },
  timeoutSecondsFor: ({ samples, maxHops, waitSeconds, measureMtu }) => {
    const mtu = measureMtu ? secondsToFindMtu(maxHops, waitSeconds) : 0
    const seconds = secondsToResolve + samples * secondsToSample(maxHops, waitSeconds) + secondsToCheck(waitSeconds) + mtu
    return Math.min(3600, Math.ceil(10 + seconds))
  },

  async measure ({ destination, family, measureMtu, ...options }, probe) {
    const { method, waitSeconds } = options
    const { dnsStatus, addresses: [ip, ...others], refused } = await resolvePlace(destination, probe, family)
    const report: Report = {
      ...destination,
      dnsStatus,
      traced: null,
      notTried: [...others, ...refused],
      port: null,
      permitted: true,
      failure: null,
      samples: [],
      ...tracePath([], '', []),
      addresses: [],
      check: null,
      mtu: null,
      proxy: sidecarProxyOf(probe.pod)
    }
    if (ip === undefined) return report
    const [names = nameless] = await probe.nameAddresses([ip])
    const service = await serviceAt(ip, destination, names, probe.objects)
    report.traced = { ip, ...names, service }
    if (method === 'tcp') report.port = options.port ?? await portOfService(service, probe.objects)
    else if (service) return report

    Object.assign(report, await takeSamples(ip, probe, { ...options, port: report.port }))
    const { reachedHop, lossFromHop, hops, refusals, loop, permitted, failure } = report
    const met = [...new Set(hops.flatMap(({ ips }) => ips))]
    report.addresses = (await probe.nameAddresses(met)).map((names, index) => ({ ip: met[index]!, ...names }))
    probe.keep(report)
    if (!permitted || failure !== null || refusals.length > 0 || loop.length > 0) return report

    const onlyItsAnswerLacks = reachedHop === null ? hops.length < options.maxHops : reachedHop === lossFromHop
    if (method === 'udp' && onlyItsAnswerLacks) report.check = await checkByPing(ip, probe.run, waitSeconds)
    // Where small packets get lost, large ones show nothing.
    if (measureMtu && method !== 'tcp' && reachedHop !== null && lossFromHop === null) {
      report.mtu = await findPathMtu({ ip, hop: reachedHop, method: method === 'mtr' ? 'icmp' : method, waitSeconds }, probe.run)
    }
    return report
  },

  judge: (report, { destination, ...params }) => [...judgeReport(report, destination, params)]
})

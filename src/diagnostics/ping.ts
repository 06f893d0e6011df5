import { Type, type Static } from 'typebox'
import { connectArgv, parseNetcat } from '#analysis/netcat.ts'
import { parsePing, pingArgv, type PingNotice, type PingOptions } from '#analysis/ping.ts'
import { resolvePlace, secondsToResolve } from '#analysis/resolve-place.ts'
import { portOfService, serviceAt } from '#analysis/service-address.ts'
import { summarizeTimes, TimesOrNull } from '#analysis/times.ts'
import { AddressNames } from '#core/address.ts'
import { aimErrors, Family, Place, placeReadings, sayPlace } from '#core/destination.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import type { Probe } from '#core/probe.ts'
import { OrNull } from '#core/schema.ts'
import { sidecarProxyOf } from '#core/sidecar-proxy.ts'

const maxAddresses = 4
/** Each connect is a run of its own. */
const maxConnects = 10

const Notice = Type.Object({
  ip: OrNull(Type.String({ description: 'Who said it; null: the kernel of the pod' })),
  reason: Type.String({ description: 'Its words, as "Destination Host Unreachable"' }),
  count: Type.Integer({ minimum: 1, description: 'How often' })
}, { description: 'What was said instead of an answer' })

const Series = Type.Object({
  ip: Type.String({ description: 'Address that was asked' }),
  ...AddressNames.properties,
  icmpPermitted: OrNull(Type.Boolean({ description: 'Whether the pod lets us send pings; null: none was tried' })),
  method: Type.Enum(['icmp', 'tcp'], { description: 'icmp: pings; tcp: times of connects, about 5 ms for starting the tool included' }),
  port: OrNull(Type.Integer({ description: 'TCP port; null with icmp' })),
  sent: Type.Integer({ minimum: 0, description: 'Packets or connects that were tried' }),
  received: Type.Integer({ minimum: 0, description: 'Answers; a refused connect is one, too, but not from the address of a Service' }),
  lossPercent: OrNull(Type.Number({ description: 'Share that was not answered; null: nothing could be sent' })),
  times: TimesOrNull,
  ttl: OrNull(Type.Integer({ description: 'TTL of the last reply: 64 or 255 less one for each router in between, as a rule; null with tcp' })),
  notices: Type.Array(Notice, { description: 'What was said instead of answers, by whom' }),
  run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs the last of it was, from 0' }),
  line: OrNull(Type.Integer({ minimum: 1, description: 'Line of its output that counts the replies; null where there is none' }))
}, { description: 'One address of a destination' })
type Series = Static<typeof Series>

const Target = Type.Object({
  ...Place.properties,
  dnsStatus: OrNull(Type.String({ description: 'How its name was resolved, as NOERROR or NXDOMAIN, or TIMEOUT; null: no name had to be' })),
  series: Type.Array(Series, { description: 'Addresses in the order they were asked' }),
  notTried: Type.Array(Type.String(), { description: `Addresses that were not asked: those that no diagnostic may talk to, and what is beyond ${maxAddresses}` })
}, { description: 'One destination' })
type Target = Static<typeof Target>

interface Options extends PingOptions { method: 'auto' | 'icmp' | 'tcp', tcpPort?: number }
type Named = Pick<Series, 'ip' | 'pod' | 'service' | 'node'>

const lossOf = (sent: number, received: number) => sent === 0 ? null : Math.round((1 - received / sent) * 1000) / 10

async function pingIt (probe: Probe, address: Named, options: Options): Promise<Series> {
  const { stdout, stderr, run } = await probe.run(pingArgv(address.ip, options))
  const { permitted, times, ...rest } = parsePing(stdout, stderr)
  const { sent, received } = rest
  const lossPercent = lossOf(sent, received)
  return { ...address, icmpPermitted: permitted, method: 'icmp', port: null, lossPercent, times: summarizeTimes(times), ...rest, run }
}

async function connectToIt (probe: Probe, address: Named, { port, count, waitSeconds }: Options & { port: number }): Promise<Series> {
  const times: number[] = []
  const notices: PingNotice[] = []
  const sent = Math.min(count, maxConnects)
  let last = 0
  for (let number = 0; number < sent; number++) {
    const { stderr, durationMs, run } = await probe.run(connectArgv({ ip: address.ip, port, waitSeconds }))
    const { outcome, reason } = parseNetcat(stderr)
    last = run
    // For a Service without endpoints it is the node that refuses.
    const answered = ['open', 'reset', ...address.service ? [] : ['refused']].includes(outcome)
    if (answered) times.push(durationMs)
    else if (outcome !== 'timeout' && reason !== null) {
      const same = notices.find(known => known.reason === reason)
      if (same) same.count++
      else notices.push({ ip: null, reason, count: 1 })
    }
  }
  const received = times.length
  return {
    ...address,
    icmpPermitted: null,
    method: 'tcp',
    port,
    sent,
    received,
    lossPercent: lossOf(sent, received),
    times: summarizeTimes(times),
    ttl: null,
    notices,
    run: last,
    line: null
  }
}

async function ask (probe: Probe, address: Named, options: Options): Promise<Series> {
  const { method, tcpPort } = options
  const pinged = method === 'icmp' || (method === 'auto' && !address.service) ? await pingIt(probe, address, options) : null
  if (pinged && (pinged.icmpPermitted || method === 'icmp')) return pinged
  const port = tcpPort ?? await portOfService(address.service, probe.objects)
  return { ...await connectToIt(probe, address, { ...options, port }), icmpPermitted: pinged && false }
}

const sayNotices = (notices: PingNotice[]) => notices.map(({ ip, reason }) => `${ip ?? 'the kernel of the pod'} says "${reason}"`).join(', ')

interface Question { place: Place, proxy: string | null, slowMs: number, auto: boolean }

function * judgeSeries (series: Series, { place, proxy, slowMs, auto }: Question) {
  const { ip, method, port, sent, received, times, notices, icmpPermitted, service, run, line } = series
  const where = `${sayPlace(place)}${place.host === ip ? '' : ` (${ip})`}${port === null ? '' : ` port ${port}`}`
  const data = { ...place, ip, method, port, sent, received }
  const evidence = [line === null ? { run } : { run, line }]
  const what = method === 'icmp' ? 'pings' : 'connects'
  if (icmpPermitted === false && method === 'icmp') {
    yield { code: 'PING_NOT_MEASURED', message: `No ping to ${where} could be sent: the pod does not permit it`, data, evidence } as const
    return
  }
  if (icmpPermitted === false) yield { code: 'PING_ICMP_NOT_PERMITTED', message: `The pod does not permit pings: connects to ${where} were timed`, data, evidence } as const
  if (service && method === 'tcp' && auto) {
    yield { code: 'PING_SERVICE_ADDRESS', message: `${where} is the address of a Service: connects were timed`, data, evidence } as const
  }
  if (method === 'tcp' && proxy !== null && received > 0) {
    yield { code: 'PING_THROUGH_PROXY', message: `The proxy "${proxy}" in the pod accepts every connection: it, not ${where}, was timed`, data: { ...data, proxy }, evidence } as const
    return
  }
  if (received === 0) {
    yield notices.length > 0
      ? { code: 'PING_UNREACHABLE', message: `${where} cannot be reached: ${sayNotices(notices)}`, data: { ...data, notices }, evidence } as const
      : { code: 'PING_NO_REPLY', message: `${where} answers none of ${sent} ${what}`, data, evidence } as const
  } else if (received < sent) {
    const said = notices.length > 0 ? `: ${sayNotices(notices)}` : ''
    yield { code: 'PING_LOSS', message: `${where} answers ${received} of ${sent} ${what}${said}`, data: { ...data, notices }, evidence } as const
  }
  if (times && times.avgMs >= slowMs) {
    const message = `${where} answers after ${times.avgMs} ms on average, at most ${times.maxMs} ms`
    yield { code: 'PING_SLOW', message, data: { ...data, ...times }, evidence } as const
  }
}

function * judgeTarget ({ dnsStatus, series, notTried }: Target, rest: Question) {
  const { place } = rest
  if (series.length > 0) for (const one of series) yield * judgeSeries(one, rest)
  else if (notTried.length > 0) {
    yield { code: 'PING_NOT_TRIED', message: `${sayPlace(place)} is an address that no diagnostic may talk to: ${notTried.join(', ')}`, data: { ...place } } as const
  } else {
    const why = dnsStatus === null ? '' : `: ${dnsStatus}`
    yield { code: 'PING_NAME_UNRESOLVED', message: `${sayPlace(place)} has no address${why}`, data: { ...place, dnsStatus } } as const
  }
}

export default defineDiagnostic({
  name: 'ping',
  version: '1',
  title: 'Ping',
  summary: 'Measures loss, round-trip times and jitter from inside the pod, by pings or, where those are not permitted, by connects',
  symptoms: ['is the host up', 'packet loss', 'high latency', 'jitter', 'intermittent timeouts', 'destination host unreachable'],
  profiles: ['restricted', 'netraw', 'defaultcaps'],
  profilesFor: ({ method }) => method === 'icmp' ? ['netraw', 'defaultcaps', 'restricted'] : ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 1,
  examples: [
    { title: 'The address of a node', params: { destinations: [{ host: '10.99.0.1' }] } },
    { title: 'A Service, whose address answers connects only', params: { destinations: [{ service: { namespace: 'shop', name: 'orders' } }] } },
    { title: 'Two pods of a StatefulSet', params: { destinations: [0, 1].map(number => ({ pod: { namespace: 'shop', name: `db-${number}` } })) } },
    { title: 'Sparse loss, by more packets and larger ones', params: { destinations: [{ host: 'db.example.com' }], count: 100, payloadBytes: 1400 } }
  ],
  params: Type.Object({
    destinations: Type.Array(Place, {
      minItems: 1, maxItems: 20, description: 'Destinations; names are resolved as the pod resolves them, and each of their addresses is asked'
    }),
    family: Family,
    method: Type.Enum(['auto', 'icmp', 'tcp'], {
      default: 'auto',
      description: 'auto: pings, or connects where the pod does not permit pings and for addresses of Services; icmp: pings only, with NET_RAW where ' +
        'that is admitted; tcp: connects only'
    }),
    tcpPort: Type.Optional(Type.Integer({
      minimum: 1, maximum: 65535, description: 'Port for connects; absent: the first of a Service, else 443'
    })),
    count: Type.Integer({ minimum: 1, maximum: 100, default: 5, description: `Packets to each address; of connects at most ${maxConnects}` }),
    intervalMs: Type.Integer({ minimum: 200, maximum: 10_000, default: 200, description: 'Milliseconds between two packets' }),
    payloadBytes: Type.Integer({ minimum: 16, maximum: 8972, default: 56, description: 'Payload of a packet; its headers take 28 bytes more, 48 with IPv6' }),
    waitSeconds: Type.Integer({ minimum: 1, maximum: 10, default: 3, description: 'How long silence is waited for' }),
    slowMs: Type.Integer({ minimum: 1, maximum: 60_000, default: 100, description: 'A mean time from here on is a finding' })
  }, { additionalProperties: false }),
  contradictions: ({ destinations, family }) =>
    destinations.flatMap((destination, index) => aimErrors(destination, `/params/destinations/${index}`, family)),
  reads: ({ destinations }) => destinations.flatMap(placeReadings),
  report: Type.Object({
    targets: Type.Array(Target, { description: 'One for each destination, in this order' }),
    proxy: OrNull(Type.String({ description: 'Container of the pod that takes over its connections, but not its pings (a service mesh\'s proxy)' }))
  }),
  findings: {
    PING_NO_REPLY: {
      severity: 'error',
      title: 'Nothing is answered',
      meaning: 'Packets or answers are dropped without a word, the host is down, or it answers no pings, as a firewall or the address of a Service',
      remedy: 'Launch tcp-connect to a port that should be open, and path-trace to see how far packets get'
    },
    PING_UNREACHABLE: {
      severity: 'error',
      title: 'The network says that there is no way',
      meaning: 'A router, the host or the kernel of the pod answered that the packets cannot be delivered or are forbidden',
      remedy: 'See who says it in the finding: check its routes, whether its neighbour is up, and its firewall'
    },
    PING_LOSS: {
      severity: 'warning',
      title: 'Some packets get lost',
      meaning: 'A part of the packets or of their answers is dropped; connections get slow, as they send what is lost again',
      remedy: 'Launch path-trace to see where the loss begins; repeat with a larger count to know its share'
    },
    PING_SLOW: {
      severity: 'warning',
      title: 'Answers take long',
      meaning: 'The mean time reaches slowMs: the way is long, or a queue on it is full',
      remedy: 'Compare minimum and maximum: if they are close the way is long, else look for load on links and nodes'
    },
    PING_ICMP_NOT_PERMITTED: {
      severity: 'info',
      title: 'The pod does not permit pings',
      meaning: 'The runtime sets no ping_group_range, or the pod sets one that excludes us; connects were timed in place of pings',
      remedy: 'Use method icmp where NET_RAW is admitted, or enable_unprivileged_icmp in the runtime'
    },
    PING_SERVICE_ADDRESS: {
      severity: 'info',
      title: 'The address of a Service answers no pings',
      meaning: 'It exists in the rules of the nodes only, for the ports of the Service; connects were timed in place of pings',
      remedy: 'Name a pod to measure the way to it'
    },
    PING_NAME_UNRESOLVED: {
      severity: 'error',
      title: 'There is no address to ask',
      meaning: 'The pod\'s DNS gave no address for the name, the pod has none, or the headless Service no ready endpoint',
      remedy: 'Launch dns-lookup for a name, service-check for a Service'
    },
    PING_NOT_TRIED: {
      severity: 'unknown',
      title: 'The address was not asked',
      meaning: 'The destination stands for an address to which no diagnostic talks: of a cloud\'s metadata service, link-local, multicast or broadcast',
      remedy: 'Nothing, if the name is meant to point there'
    },
    PING_NOT_MEASURED: {
      severity: 'unknown',
      title: 'Pings are not permitted, and nothing else was asked for',
      meaning: 'Neither ping_group_range of the pod nor the admitted profile lets us send pings, and method icmp excludes connects',
      remedy: 'Use method auto or tcp'
    },
    PING_THROUGH_PROXY: {
      severity: 'unknown',
      title: 'A proxy in the pod accepted the connects',
      meaning: 'The proxy of a service mesh accepts every connection of the pod: the times are its own',
      remedy: 'Use method icmp, as pings do not pass the proxy, or measure from a pod without it'
    }
  },
  timeoutSecondsFor: ({ destinations, count, intervalMs, waitSeconds }) => {
    const pings = count * intervalMs / 1000 + 2 * waitSeconds
    const connects = Math.min(count, maxConnects) * (waitSeconds + 1)
    return Math.min(3600, Math.ceil(10 + destinations.length * (secondsToResolve + maxAddresses * (pings + connects))))
  },

  async measure ({ destinations, family, ...options }, probe) {
    const report = { targets: [] as Target[], proxy: sidecarProxyOf(probe.pod) }
    for (const place of destinations) {
      const { dnsStatus, addresses, refused } = await resolvePlace(place, probe, family)
      const asked = addresses.slice(0, maxAddresses)
      const names = await probe.nameAddresses(asked)
      const target: Target = { ...place, dnsStatus, series: [], notTried: [...addresses.slice(maxAddresses), ...refused] }
      for (const [index, ip] of asked.entries()) {
        const service = await serviceAt(ip, place, names[index]!, probe.objects)
        target.series.push(await ask(probe, { ip, ...names[index]!, service }, options))
      }
      report.targets.push(target)
      probe.keep(report)
    }
    return report
  },

  judge: ({ targets, proxy }, { destinations, slowMs, method }) =>
    targets.flatMap((target, index) => [...judgeTarget(target, { place: destinations[index]!, proxy, slowMs, auto: method === 'auto' })])
})

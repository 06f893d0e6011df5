import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import { askDns, secondsPerQuestion } from '#analysis/ask-dns.ts'
import { clusterDnsReading } from '#analysis/cluster-dns.ts'
import { differingAnswers } from '#analysis/compare-answers.ts'
import { parseDig } from '#analysis/dig.ts'
import { DnsQuery, dnsTypes, toDnsQuery } from '#analysis/dns-query.ts'
import { DnsServer, findServers, serverErrors } from '#analysis/dns-servers.ts'
import { Address } from '#core/address.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { dnsName, isHost } from '#core/host.ts'
import type { Probe } from '#core/probe.ts'
import { OrNull } from '#core/schema.ts'

/** Far above what a cache or an authoritative server in the cluster needs, and what people begin to notice. */
const slowMs = 500
const maxQuestions = 100

const Query = Type.Object({
  ...DnsQuery.properties,
  asked: OrNull(Address),
  sample: Type.Integer({ minimum: 1, description: 'Which of the samples it is, from 1' })
}, { description: 'One question: a name and a type, put to a server. asked: that server; null: the nameservers of the pod' })
type Query = Static<typeof Query>

const absolute = (name: string) => (name.endsWith('.') ? name : `${name}.`).toLowerCase()
const recordsOf = ({ answers, type }: Query) => answers.filter(answer => answer.type === type).map(({ data }) => data)
const hasRecord = (query: Query) => recordsOf(query).length > 0
const otherFamily: Partial<Record<DnsQuery['type'], DnsQuery['type']>> = { A: 'AAAA', AAAA: 'A' }

const sayNames = (tried: Query['tried']) => tried.map(({ question }) => `"${question}"`).join(', ')
const sayLost = (lost: Query['lost']) => [...new Set(lost.map(({ server: { ip }, reason }) => `${ip} (${reason})`))].join(', ')
const sayAsked = (asked: Query['asked']) => (asked ? `${asked.ip} port ${asked.port}` : 'the nameservers of the pod')

/** Why the application gets no record of this type; null where it gets one. */
function failureOf (query: Query, queries: Query[]) {
  const { name, type, question, status, answers, tried, lost, truncated } = query
  const asked = `"${name}" ${type}`
  switch (status) {
    case null: {
      return truncated
        ? { code: 'DNS_TCP_UNANSWERED', message: `The reply to ${asked} does not fit into UDP, and TCP gave none: ${sayLost(lost)}` } as const
        : { code: 'DNS_TIMEOUT', message: `No server answered ${asked}: ${sayLost(lost)}` } as const
    }
    case 'NXDOMAIN': {
      const alias = answers.findLast(answer => answer.type === 'CNAME')
      const why = alias ? `: it is an alias of "${alias.data}"` : ''
      return { code: 'DNS_NXDOMAIN', message: `"${question}" does not exist${why}${tried.length > 0 ? `, nor ${sayNames(tried)}` : ''}` } as const
    }
    case 'SERVFAIL': return { code: 'DNS_SERVFAIL', message: `The server failed to answer ${asked}` } as const
    case 'REFUSED': return { code: 'DNS_REFUSED', message: `The server refused to answer ${asked}` } as const
    case 'NOERROR': {
      if (hasRecord(query)) return null
      const other = queries.find(({ name: itsName, type: itsType }) => itsName === name && itsType === otherFamily[type])
      return other && hasRecord(other)
        ? { code: 'DNS_ONE_FAMILY', message: `"${name}" has ${other.type} records but none of type ${type}` } as const
        : { code: 'DNS_NO_ANSWER', message: `"${question}" exists but has no record of type ${type}` } as const
    }
    default: return { code: 'DNS_ERROR_STATUS', message: `The server answered ${asked} with ${status}` } as const
  }
}

/** What is worth knowing of a question that was answered. */
function * remarksOn (query: Query) {
  const { name, type, question, transport, truncated, queryMs, tried, lost } = query
  const asked = `"${name}" ${type}`
  const totalMs = [...tried, { queryMs }].reduce((sum, reply) => sum + (reply.queryMs ?? 0), 0)
  if (lost.length > 0) yield { code: 'DNS_ATTEMPT_LOST', message: `Attempts to resolve ${asked} without an answer: ${lost.length}, ${sayLost(lost)}` } as const
  if (totalMs > slowMs) yield { code: 'DNS_SLOW', message: `${asked} took ${Math.round(totalMs)} ms` } as const
  if (truncated && transport === 'tcp') yield { code: 'DNS_TRUNCATED', message: `The reply to ${asked} came over TCP: it does not fit into UDP` } as const
  if (question === null || !hasRecord(query)) return
  if (absolute(question) !== absolute(name)) {
    const vain = tried.length > 0 ? `, after ${sayNames(tried)} in vain` : ''
    yield { code: 'DNS_SEARCH_LIST', message: `"${name}" was found as "${question}"${vain}` } as const
  } else if (tried.length > 0) {
    yield { code: 'DNS_EXTRA_QUERIES', message: `"${name}" was found after ${tried.length} questions in vain: ${sayNames(tried)}` } as const
  }
}

/** What one server said to one question, over all samples; each sample with the index of its run. */
interface Group { queries: Query[], runs: number[] }

function groupQueries (queries: Query[], keyOf: (query: Query) => unknown[]): Group[] {
  const groups = Map.groupBy(queries.keys(), run => JSON.stringify(keyOf(queries[run]!)))
  return [...groups.values()].map(runs => ({ runs, queries: runs.map(run => queries[run]!) }))
}

/** One finding for each code, with all samples that show it as its evidence. */
function judgeGroup ({ queries, runs }: Group, all: Query[]) {
  const [{ name, type, asked }] = queries as [Query]
  const sameServer = all.filter(query => sayAsked(query.asked) === sayAsked(asked))
  const found = queries.flatMap((query, sample) => {
    const failure = failureOf(query, sameServer)
    const said = [...failure ? [failure] : [], ...query.status === null ? [] : remarksOn(query)]
    return said.map(finding => ({ ...finding, query, run: runs[sample]! }))
  })
  return [...Map.groupBy(found, ({ code }) => code)].map(([code, samples]) => {
    const [{ message, query: { question, status, tried } }] = samples as [typeof samples[number]]
    const details = [...asked ? [`server ${sayAsked(asked)}`] : [], ...queries.length > 1 ? [`${samples.length} of ${queries.length} samples`] : []]
    return {
      code,
      message: details.length > 0 ? `${message} (${details.join(', ')})` : message,
      data: { name, type, question, status, server: asked, extraQueries: tried.length, samples: queries.length, showing: samples.length },
      evidence: samples.map(({ run, query: { line } }) => ({ run, line }))
    }
  })
}

/** Servers that give different sets of records; what failed has a finding of its own. */
function judgeDifferences ({ queries, runs }: Group) {
  const servers = differingAnswers(queries)
  if (servers.length === 0) return []
  const [{ name, type }] = queries as [Query]
  const said = servers.map(({ asked, answers }) => `${sayAsked(asked)}: ${answers.join(', ') || 'none'}`)
  return [{
    code: 'DNS_ANSWERS_DIFFER',
    message: `Servers have different records of "${name}" ${type}; ${said.join('; ')}`,
    data: { name, type, servers: servers.map(({ asked, answers }) => ({ server: asked, answers })) },
    evidence: queries.map(({ line }, sample) => ({ run: runs[sample]!, line }))
  } as const]
}

const countQuestions = ({ names, types, servers, samples }: { names: string[], types: string[], servers: DnsServer[], samples: number }) =>
  names.length * types.length * servers.length * samples

/** The same with the names of all servers, as far as the caller may know them. */
async function withNames (queries: Query[], probe: Probe): Promise<Query[]> {
  const addresses = queries.flatMap(({ asked, server, lost }) => [asked, server, ...lost.map(attempt => attempt.server)])
  const ips = [...new Set(addresses.flatMap(address => address?.ip ?? []))]
  const names = new Map((await probe.nameAddresses(ips)).map((name, index) => [ips[index], name]))
  const named = <A extends Address | null>(address: A): A => address && { ...address, ...names.get(address.ip) }
  return queries.map(query => ({
    ...query,
    asked: named(query.asked),
    server: named(query.server),
    lost: query.lost.map(({ server, reason }) => ({ server: named(server), reason }))
  }))
}

export default defineDiagnostic({
  name: 'dns-lookup',
  version: '2',
  title: 'DNS lookup',
  summary: 'Resolves names from inside the pod as its applications would, and compares the answers of several servers',
  symptoms: ['unknown host', 'no such host', 'name or service not known', 'temporary failure in name resolution', 'slow first request'],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 0.1,
  examples: [
    { title: 'A Service, by the name an application uses', params: { names: ['orders.shop'] } },
    { title: 'Both address families of a name outside of the cluster', params: { names: ['example.com.'], types: ['A', 'AAAA'] } },
    { title: 'Ports of a headless Service', params: { names: ['_http._tcp.web.shop.svc.cluster.local'], types: ['SRV'] } },
    {
      title: 'Whether the cluster and another server say the same, five times',
      params: { names: ['db.example.com'], servers: [{ source: 'cluster', port: 53 }, { source: 'given', address: '192.0.2.53', port: 53 }], samples: 5, search: false }
    }
  ],
  params: Type.Object({
    names: Type.Array(Type.String({ pattern: dnsName, maxLength: 254, description: 'A name' }), {
      minItems: 1, maxItems: 10, uniqueItems: true, description: 'Names to resolve; the search list applies to those that do not end with a dot'
    }),
    types: Type.Array(Type.Enum(dnsTypes, { description: 'A record type' }), {
      minItems: 1, maxItems: dnsTypes.length, uniqueItems: true, default: ['A'], description: 'Record types to ask for, of each name'
    }),
    servers: Type.Array(DnsServer, {
      minItems: 1, maxItems: 5, uniqueItems: true, default: [{ source: 'pod', port: 53 }], description: 'Servers to ask, each by itself; what they answer is compared'
    }),
    search: Type.Boolean({ default: true, description: 'Whether the pod\'s search list and ndots apply, whoever is asked; false: each name is asked as it is' }),
    samples: Type.Integer({ minimum: 1, maximum: 20, default: 1, description: 'How often each question is asked; one bad server of several shows only now and then' })
  }, { additionalProperties: false }),
  contradictions: params => [
    ...params.names.flatMap((name, index) => isHost(name) && isIP(name) === 0 ? [] : [{ pointer: `/params/names/${index}`, detail: 'must be a name; an address has one in in-addr.arpa or ip6.arpa' }]),
    ...params.servers.flatMap((server, index) => serverErrors(server, `/params/servers/${index}`)),
    ...countQuestions(params) > maxQuestions
      ? [{ pointer: '/params/samples', detail: `must be less: names times types times servers times samples is more than ${maxQuestions}` }]
      : []
  ],
  reads: ({ servers }) => servers.some(({ source }) => source === 'cluster') ? [clusterDnsReading] : [],
  report: Type.Object({
    queries: Type.Array(Query, { description: 'One for each sample, name, type and server, in this order; each is a run of its own' })
  }),
  findings: {
    DNS_TIMEOUT: {
      severity: 'error',
      title: 'No server answered',
      meaning: 'None of the servers answered: they are down, or a policy or the path drops the packets',
      remedy: 'Check the pods of the cluster\'s DNS and the egress policies of the pod: port 53, UDP and TCP'
    },
    DNS_TCP_UNANSWERED: {
      severity: 'error',
      title: 'The reply does not fit into UDP, and TCP is not answered',
      meaning: 'The server cut its reply short and would give the whole only over TCP, which it or something between does not let through',
      remedy: 'Allow TCP on port 53 beside UDP in policies and firewalls, and check that the server listens on TCP'
    },
    DNS_NXDOMAIN: {
      severity: 'error',
      title: 'The name does not exist',
      meaning: 'Neither the name as given exists nor any that the search list makes of it',
      remedy: 'Check the spelling, the namespace, and whether the Service exists'
    },
    DNS_SERVFAIL: {
      severity: 'error',
      title: 'The server failed',
      meaning: 'The server could not find out: often its upstream does not answer, or a DNSSEC check failed',
      remedy: 'Look at the log of the cluster\'s DNS and at the servers it forwards to'
    },
    DNS_REFUSED: {
      severity: 'error',
      title: 'The server refused',
      meaning: 'The server does not serve this name to this pod',
      remedy: 'Check the zones and access lists of the server'
    },
    DNS_ERROR_STATUS: {
      severity: 'error',
      title: 'The server answered with another error',
      meaning: 'The reply has a status that no resolver can use, as FORMERR or NOTIMP',
      remedy: 'See the status in the report; a middlebox or an old server may not understand the question'
    },
    DNS_NO_ANSWER: {
      severity: 'error',
      title: 'The name has no record of this type',
      meaning: 'The name exists, but not with what was asked for: a headless Service without ready pods, or the wrong type',
      remedy: 'Check that the Service has ready pods, or ask for another type'
    },
    DNS_ANSWERS_DIFFER: {
      severity: 'warning',
      title: 'Servers answer differently',
      meaning: 'They have different records of the same name, or one has none: intended where inside and outside differ, else one of them is out of date',
      remedy: 'Compare the zones; a resolver that is given both servers answers now so, now so'
    },
    DNS_ONE_FAMILY: {
      severity: 'info',
      title: 'The name has addresses of one family only',
      meaning: 'There are IPv4 or IPv6 addresses, not both; applications use what there is',
      remedy: 'Nothing, unless both families are expected'
    },
    DNS_ATTEMPT_LOST: {
      severity: 'warning',
      title: 'Attempts were lost before an answer came',
      meaning: 'A question had to be repeated or put to another server; applications wait up to 5 s for each attempt that times out',
      remedy: 'Check the server that did not answer, and packet loss on the way to it'
    },
    DNS_SLOW: {
      severity: 'warning',
      title: 'The answer was slow',
      meaning: `All replies to a question together took more than ${slowMs} ms`,
      remedy: 'Look at the load of the cluster\'s DNS and at the servers it forwards to; end outside names with a dot'
    },
    DNS_TRUNCATED: {
      severity: 'warning',
      title: 'The reply does not fit into UDP',
      meaning: 'The server cut its reply short, and gave the whole over TCP; resolvers that cannot do that, as those of older Alpine images, see a part or nothing',
      remedy: 'Put fewer records behind one name, as a headless Service of many pods, or ask for one port or zone'
    },
    DNS_SEARCH_LIST: {
      severity: 'info',
      title: 'The search list completed the name',
      meaning: 'What the name as given means depends on the namespace of the pod, and each name tried before costs a question',
      remedy: 'Nothing if that is intended; else use the full name with a dot at its end'
    },
    DNS_EXTRA_QUERIES: {
      severity: 'info',
      title: 'The search list was asked in vain before the name itself',
      meaning: 'The name has fewer dots than ndots says: each lookup of it costs one question more for each domain of the search list',
      remedy: 'End the name with a dot, or lower ndots in the dnsConfig of the pod'
    }
  },
  timeoutSecondsFor: params => 10 + countQuestions(params) * secondsPerQuestion,

  // One question after the other: each tool takes memory of the application's, and together they would slow each other down.
  async measure ({ names, types, servers, search, samples }, probe) {
    const queries: Query[] = []
    const asked = await findServers(servers, probe.objects)
    const questions = names.flatMap(name => types.flatMap(type => asked.map(server => ({ name, type, server }))))
    for (let sample = 1; sample <= samples; sample++) {
      for (const { name, type, server } of questions) {
        const { stdout } = await probe.run(askDns(type, name, { server, search }))
        queries.push({ ...toDnsQuery(name, type, parseDig(stdout)), asked: server, sample })
        probe.keep({ queries })
      }
    }
    return { queries: await withNames(queries, probe) }
  },

  judge: ({ queries }) => [
    ...groupQueries(queries, ({ name, type, asked }) => [name, type, asked]).flatMap(group => judgeGroup(group, queries)),
    ...groupQueries(queries, ({ name, type }) => [name, type]).flatMap(judgeDifferences)
  ]
})

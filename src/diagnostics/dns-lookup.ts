import { Type } from 'typebox'
import { askDns, secondsPerQuestion } from '#analysis/ask-dns.ts'
import { parseDig } from '#analysis/dig.ts'
import { DnsQuery, dnsTypes, toDnsQuery } from '#analysis/dns-query.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { dnsName } from '#core/host.ts'

/** Far above what a cache or an authoritative server in the cluster needs, and what people begin to notice. */
const slowMs = 500

const absolute = (name: string) => (name.endsWith('.') ? name : `${name}.`).toLowerCase()
const hasRecord = ({ answers, type }: DnsQuery) => answers.some(answer => answer.type === type)
const otherFamily: Partial<Record<DnsQuery['type'], DnsQuery['type']>> = { A: 'AAAA', AAAA: 'A' }

const sayNames = (tried: DnsQuery['tried']) => tried.map(({ question }) => `"${question}"`).join(', ')
const sayServers = (lost: DnsQuery['lost']) =>
  [...new Set(lost.map(({ server: { ip }, reason }) => `${ip} (${reason})`))].join(', ')

/** Why the application gets no record of this type; null where it gets one. */
function failureOf (query: DnsQuery, queries: DnsQuery[]) {
  const { name, type, question, status, answers, tried, lost, truncated } = query
  const asked = `"${name}" ${type}`
  switch (status) {
    case null: {
      const overTcp = truncated ? ' over TCP, although the reply does not fit into UDP' : ''
      return { code: 'DNS_TIMEOUT', message: `No server answered ${asked}${overTcp}: ${sayServers(lost)}` } as const
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
      const other = queries.find(({ name: sameName, type: itsType }) => sameName === name && itsType === otherFamily[type])
      return other && hasRecord(other)
        ? { code: 'DNS_ONE_FAMILY', message: `"${name}" has ${other.type} records but none of type ${type}` } as const
        : { code: 'DNS_NO_ANSWER', message: `"${question}" exists but has no record of type ${type}` } as const
    }
    default: return { code: 'DNS_ERROR_STATUS', message: `The server answered ${asked} with ${status}` } as const
  }
}

/** What is worth knowing of a question that was answered. */
function * remarksOn (query: DnsQuery) {
  const { name, type, question, queryMs, tried, lost } = query
  const totalMs = [...tried, { queryMs }].reduce((sum, reply) => sum + (reply.queryMs ?? 0), 0)
  if (lost.length > 0) {
    yield { code: 'DNS_ATTEMPT_LOST', message: `Attempts to resolve "${name}" ${type} without a reply: ${lost.length}, ${sayServers(lost)}` } as const
  }
  if (totalMs > slowMs) yield { code: 'DNS_SLOW', message: `"${name}" ${type} took ${Math.round(totalMs)} ms` } as const
  if (question !== null && absolute(question) !== absolute(name) && hasRecord(query)) {
    const vain = tried.length > 0 ? `, after ${sayNames(tried)} in vain` : ''
    yield { code: 'DNS_SEARCH_LIST', message: `"${name}" was found as "${question}"${vain}` } as const
  }
}

export default defineDiagnostic({
  name: 'dns-lookup',
  version: '1',
  title: 'DNS lookup',
  summary: 'Resolves names from inside the pod as its applications would: by the pod\'s own nameservers and search list',
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
    { title: 'Ports of a headless Service', params: { names: ['_http._tcp.web.shop.svc.cluster.local'], types: ['SRV'] } }
  ],
  params: Type.Object({
    names: Type.Array(Type.String({ pattern: dnsName, maxLength: 254, description: 'A name' }), {
      minItems: 1, maxItems: 10, uniqueItems: true, description: 'Names to resolve; the search list applies to those that do not end with a dot'
    }),
    types: Type.Array(Type.Enum(dnsTypes, { description: 'A record type' }), {
      minItems: 1, maxItems: dnsTypes.length, uniqueItems: true, default: ['A'], description: 'Record types to ask for, of each name'
    })
  }, { additionalProperties: false }),
  report: Type.Object({
    queries: Type.Array(DnsQuery, { description: 'One for each name and type, in this order; each is a run of its own' })
  }),
  findings: {
    DNS_TIMEOUT: {
      severity: 'error',
      title: 'No server answered',
      meaning: 'None of the pod\'s nameservers answered: they are down, or a policy or the path drops the packets',
      remedy: 'Check the pods of the cluster\'s DNS and the egress policies of the pod: port 53, UDP and TCP'
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
    DNS_ONE_FAMILY: {
      severity: 'info',
      title: 'The name has addresses of one family only',
      meaning: 'There are IPv4 or IPv6 addresses, not both; applications use what there is',
      remedy: 'Nothing, unless both families are expected'
    },
    DNS_ATTEMPT_LOST: {
      severity: 'warning',
      title: 'Attempts were lost before an answer came',
      meaning: 'A question had to be repeated or put to another server; applications wait up to 5 s for each lost attempt',
      remedy: 'Check the server that did not answer, and packet loss on the way to it'
    },
    DNS_SLOW: {
      severity: 'warning',
      title: 'The answer was slow',
      meaning: `All replies to a question together took more than ${slowMs} ms`,
      remedy: 'Look at the load of the cluster\'s DNS and at the servers it forwards to; end outside names with a dot'
    },
    DNS_SEARCH_LIST: {
      severity: 'info',
      title: 'The search list completed the name',
      meaning: 'What the name as given means depends on the namespace of the pod, and each name tried before costs a question',
      remedy: 'Nothing if that is intended; else use the full name with a dot at its end'
    }
  },
  timeoutSecondsFor: ({ names, types }) => 10 + names.length * types.length * secondsPerQuestion,

  // One question after the other: each tool takes memory that belongs to the application, and together they would slow each other down.
  async measure ({ names, types }, probe) {
    const queries: DnsQuery[] = []
    for (const [name, type] of names.flatMap(name => types.map(type => [name, type] as const))) {
      const { stdout } = await probe.run(askDns(type, name))
      queries.push(toDnsQuery(name, type, parseDig(stdout)))
      probe.keep({ queries })
    }
    return { queries }
  },

  judge: ({ queries }) => queries.flatMap((query, run) => {
    const { name, type, question, status, line } = query
    const failure = failureOf(query, queries)
    const found = [...failure ? [failure] : [], ...status === null ? [] : remarksOn(query)]
    return found.map(finding => ({ ...finding, data: { name, type, question, status }, evidence: [{ run, line }] }))
  })
})

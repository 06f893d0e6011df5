import { Type, type Static } from 'typebox'
import { parseDig, type DigOutput } from '#analysis/dig.ts'
import { Address } from '#core/address.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { OrNull } from '#core/schema.ts'

/** Far above what a cache or an authoritative server in the cluster needs, and what people begin to notice. */
const slowMs = 500
const secondsPerAttempt = 2
const attemptsPerServer = 2
/** A resolver file names up to three servers, and further names of its search list may wait once more for a dead first one. */
const secondsPerQuestion = 3 * attemptsPerServer * secondsPerAttempt + 8

const types = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'] as const

/** Host names and names as _http._tcp.web; beginning with a letter, digit or underscore, so that none can be an option. */
const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const dnsName = `^${label}(?:\\.${label})*\\.?$`

const Query = Type.Object({
  name: Type.String({ description: 'Name as it was given' }),
  type: Type.Enum(types, { description: 'Record type that was asked for' }),
  question: OrNull(Type.String({ description: 'Name that the last reply is about, after the search list was applied; null: no server answered' })),
  status: OrNull(Type.String({ description: 'Status of the last reply, as NOERROR or NXDOMAIN; null: no server answered' })),
  answers: Type.Array(Type.Object({
    name: Type.String({ description: 'Owner of the record' }),
    type: Type.String({ description: 'Type of the record' }),
    ttlSeconds: Type.Integer({ description: 'How long it may be cached' }),
    data: Type.String({ description: 'Its data in presentation format' })
  }), { description: 'Records of the answer in the order they came, aliases included' }),
  server: OrNull(Address),
  transport: OrNull(Type.Enum(['udp', 'tcp'], { description: 'How the last reply came' })),
  queryMs: OrNull(Type.Number({ description: 'Milliseconds until the last reply' })),
  tried: Type.Array(Type.Object({
    question: Type.String({ description: 'Name that was asked for' }),
    status: Type.String({ description: 'Status of the reply' }),
    queryMs: OrNull(Type.Number({ description: 'Milliseconds until the reply' }))
  }), { description: 'Names of the search list that were asked for before, in vain' }),
  lost: Type.Array(Type.Object({
    server: Address,
    reason: Type.String({ description: 'What became of it, as "timed out"' })
  }), { description: 'Attempts without a reply' }),
  truncated: Type.Boolean({ description: 'Whether a reply did not fit into UDP and was asked for again over TCP' }),
  line: Type.Integer({ minimum: 1, description: 'Line of the run\'s output that says how it ended' })
}, { description: 'One question: a name and a type' })
type Query = Static<typeof Query>

function toQuery (name: string, type: Query['type'], { replies, lost, truncated, unreachedLine }: DigOutput): Query {
  const answered = unreachedLine === null ? replies.at(-1) : undefined
  const tried = replies.filter(reply => reply !== answered).map(({ question, status, queryMs }) => ({ question, status, queryMs }))
  const { question, status, answers, server, transport, queryMs } = answered ??
    { question: null, status: null, answers: [], server: null, transport: null, queryMs: null }
  return {
    name,
    type,
    question,
    status,
    answers,
    server,
    transport,
    queryMs,
    tried,
    lost: lost.map(({ ip, port, reason }) => ({ server: { ip, port }, reason })),
    truncated,
    line: unreachedLine ?? answered?.line ?? 1
  }
}

const recordsOf = ({ answers, type }: Query) => answers.filter(answer => answer.type === type)
const absolute = (name: string) => name.endsWith('.') ? name : `${name}.`
const sayServers = (lost: Query['lost']) => [...new Set(lost.map(({ server: { ip }, reason }) => `${ip} (${reason})`))].join(', ')

/** Why there is no record to use, or null. */
function failureOf ({ name, type, question, status, answers, lost, truncated }: Query, queries: Query[]) {
  const asked = `"${question ?? name}" ${type}`
  switch (status) {
    case null: return {
      code: 'DNS_TIMEOUT',
      message: `No server answered ${asked}${truncated ? ' over TCP, although the reply does not fit into UDP' : ''}: ${sayServers(lost)}`
    } as const
    case 'NXDOMAIN': {
      const alias = answers.findLast(answer => answer.type === 'CNAME')
      return { code: 'DNS_NXDOMAIN', message: `${asked} does not exist${alias ? `: it is an alias of "${alias.data}"` : ''}` } as const
    }
    case 'SERVFAIL': return { code: 'DNS_SERVFAIL', message: `The server failed to answer ${asked}` } as const
    case 'REFUSED': return { code: 'DNS_REFUSED', message: `The server refused to answer ${asked}` } as const
    case 'NOERROR': {
      if (answers.some(answer => answer.type === type)) return null
      const otherFamily = { A: 'AAAA', AAAA: 'A' }[type as string]
      const other = queries.find(query => query.name === name && query.type === otherFamily)
      return other && recordsOf(other).length > 0
        ? { code: 'DNS_ONE_FAMILY', message: `"${name}" has ${other.type} records but none of type ${type}` } as const
        : { code: 'DNS_NO_ANSWER', message: `"${question}" exists but has no record of type ${type}` } as const
    }
    default: return { code: 'DNS_ERROR_STATUS', message: `The server answered ${asked} with ${status}` } as const
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
    { title: 'A Service, by the name an application uses', params: { names: ['orders.shop'], types: ['A'] } },
    { title: 'Both address families of a name outside of the cluster', params: { names: ['example.com.'], types: ['A', 'AAAA'] } },
    { title: 'Ports of a headless Service', params: { names: ['_http._tcp.web.shop.svc.cluster.local'], types: ['SRV'] } }
  ],
  params: Type.Object({
    names: Type.Array(Type.String({ pattern: dnsName, maxLength: 254, description: 'A name; the search list applies unless it ends with a dot' }), {
      minItems: 1, maxItems: 10, uniqueItems: true, description: 'Names to resolve'
    }),
    types: Type.Array(Type.Enum(types, { description: 'A record type' }), {
      minItems: 1, maxItems: types.length, uniqueItems: true, default: ['A'], description: 'Record types to ask for, of each name'
    })
  }, { additionalProperties: false }),
  report: Type.Object({
    queries: Type.Array(Query, { description: 'One for each name and type, in this order; each is a run of its own' })
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
      meaning: 'The last name that the search list makes of it does not exist, nor does any before',
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
      title: 'Only the search list gave an answer',
      meaning: 'The name as given is not complete; what it means depends on the namespace of the pod',
      remedy: 'Nothing if that is intended; else use the full name with a dot at its end'
    }
  },
  timeoutSecondsFor: ({ names, types }) => 10 + names.length * types.length * secondsPerQuestion,

  // One question after the other: a tool each takes memory that belongs to the application, and together they would slow each other down.
  async measure ({ names, types }, probe) {
    const queries: Query[] = []
    for (const name of names) {
      for (const type of types) {
        // As the C library asks: with search list, without EDNS. dig knows no end of options; after -q a name cannot be one.
        const { stdout } = await probe.run([
          'dig', '-r', '-u', '+search', '+showsearch', '+noedns', `+time=${secondsPerAttempt}`, `+tries=${attemptsPerServer}`, '-t', type, '-q', name
        ])
        queries.push(toQuery(name, type, parseDig(stdout)))
      }
    }
    return { queries }
  },

  judge: ({ queries }) => queries.flatMap((query, run) => {
    const { name, type, question, status, queryMs, tried, lost, line, answers } = query
    const place = { data: { name, type, question, status }, evidence: [{ run, line }] }
    const failure = failureOf(query, queries)
    const totalMs = [...tried, { queryMs }].reduce((sum, reply) => sum + (reply.queryMs ?? 0), 0)
    const bySearchList = failure === null && question !== null && question.toLowerCase() !== absolute(name).toLowerCase()
    return [
      ...failure ? [{ ...failure, ...place }] : [],
      ...status !== null && lost.length > 0
        ? [{ code: 'DNS_ATTEMPT_LOST' as const, message: `${lost.length} of the attempts to resolve "${name}" ${type} got no reply: ${sayServers(lost)}`, ...place }]
        : [],
      ...totalMs > slowMs ? [{ code: 'DNS_SLOW' as const, message: `"${name}" ${type} took ${Math.round(totalMs)} ms`, ...place }] : [],
      ...bySearchList
        ? [{ code: 'DNS_SEARCH_LIST' as const, message: `"${name}" was found as "${question}", with ${answers.length} records after ${tried.length} vain attempts`, ...place }]
        : []
    ]
  })
})

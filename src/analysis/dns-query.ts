import { Type, type Static } from 'typebox'
import { Address, nameless } from '#core/address.ts'
import { OrNull } from '#core/schema.ts'
import type { DigOutput } from './dig.ts'

export const dnsTypes = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'] as const

export const DnsQuery = Type.Object({
  name: Type.String({ description: 'Name as it was given' }),
  type: Type.Enum(dnsTypes, { description: 'Record type that was asked for' }),
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
  }), { description: 'Names that the search list made and that were asked for before, in vain' }),
  lost: Type.Array(Type.Object({
    server: Address,
    reason: Type.String({ description: 'What became of it, as "timed out"' })
  }), { description: 'Attempts without a reply' }),
  truncated: Type.Boolean({ description: 'Whether a reply did not fit into UDP and was asked for again over TCP' }),
  line: Type.Integer({ minimum: 1, description: 'Line of the run\'s output that says how it ended' })
}, { description: 'One question: a name and a type' })
export type DnsQuery = Static<typeof DnsQuery>

/** What a run of dig found out about one name and type. */
export function toDnsQuery (name: string, type: DnsQuery['type'], { replies, lost, truncated, unreachedLine }: DigOutput): DnsQuery {
  const tried = replies.map(({ question, status, queryMs }) => ({ question, status, queryMs }))
  const common = { name, type, lost: lost.map(({ ip, port, reason }) => ({ server: { ip, port, ...nameless }, reason })), truncated }
  const last = replies.at(-1)
  if (unreachedLine === null && last) {
    return { ...common, ...last, server: last.server && { ...last.server, ...nameless }, tried: tried.slice(0, -1) }
  }
  return {
    ...common, tried, question: null, status: null, answers: [], server: null, transport: null, queryMs: null, line: unreachedLine ?? 1
  }
}

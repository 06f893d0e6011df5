import type { Address } from '#core/address.ts'
import type { DnsQuery } from './dns-query.ts'

/** What a server has of one name and type, over all questions put to it; `asked` null: the nameservers of the pod. */
export interface ServerAnswers { asked: Address | null, answers: string[] }

/** Names mean the same in upper and lower case; the texts of TXT do not. */
const normalise = (type: DnsQuery['type'], data: string) => type === 'TXT' ? data : data.toLowerCase()

/**
 * The servers that were asked for one name and type, where their sets of records differ; none where they agree. Order and TTL mean
 * nothing, no such name is an empty set, and a server that failed has said nothing. Servers that give a part at a time take samples.
 */
export function differingAnswers (queries: (DnsQuery & { asked: Address | null })[]): ServerAnswers[] {
  const readable = queries.filter(({ status }) => status === 'NOERROR' || status === 'NXDOMAIN')
  const servers = [...Map.groupBy(readable, ({ asked }) => asked && `${asked.ip} ${asked.port}`).values()].map(same => {
    const data = same.flatMap(({ answers, type }) =>
      answers.filter(answer => answer.type === type).map(answer => normalise(type, answer.data)))
    return { asked: same[0]!.asked, answers: [...new Set(data)].toSorted() }
  })
  return new Set(servers.map(({ answers }) => answers.join('\n'))).size > 1 ? servers : []
}

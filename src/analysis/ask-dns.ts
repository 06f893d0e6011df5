import type { Address } from '#core/address.ts'
import type { DnsQuery } from './dns-query.ts'

const secondsPerAttempt = 2
const attemptsPerServer = 2
/** A resolver file names up to three servers; further names of its search list may wait once more for a dead first one. */
export const secondsPerQuestion = 3 * attemptsPerServer * secondsPerAttempt + 8

export interface AskDnsOptions {
  /** Asked in place of the pod's own nameservers; a whole address, since dig would resolve a name by itself. */
  server?: Address | null
  /** false: the name is asked as it is, whatever the pod's search list and ndots make of it. */
  search?: boolean
}

/**
 * The argv that asks as the C library does: without EDNS, the next server after SERVFAIL, and with the pod's search list. `name` begins
 * with no option's sign; and dig, which knows no end of options, takes what follows -q for none. +showsearch alone switches the list on.
 * dig and musl end at the first name that exists, even without a record of the type; glibc would go on through the list.
 */
export const askDns = (type: DnsQuery['type'], name: string, { server, search = true }: AskDnsOptions = {}): string[] => [
  'dig', '-r', '-u', ...search ? ['+search', '+showsearch'] : ['+nosearch'], '+noedns', '+nofail',
  `+time=${secondsPerAttempt}`, `+tries=${attemptsPerServer}`, ...server ? ['-p', `${server.port}`, `@${server.ip}`] : [], '-t', type, '-q', name
]

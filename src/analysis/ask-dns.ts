import type { DnsQuery } from './dns-query.ts'

const secondsPerAttempt = 2
const attemptsPerServer = 2
/** A resolver file names up to three servers; further names of its search list may wait once more for a dead first one. */
export const secondsPerQuestion = 3 * attemptsPerServer * secondsPerAttempt + 8

/**
 * The argv that asks as the C library does: with search list, without EDNS. `name` begins with no option's sign; and dig, which knows no
 * end of options, takes what follows -q for none.
 */
export const askDns = (type: DnsQuery['type'], name: string): string[] => [
  'dig', '-r', '-u', '+search', '+showsearch', '+noedns', `+time=${secondsPerAttempt}`, `+tries=${attemptsPerServer}`, '-t', type, '-q', name
]

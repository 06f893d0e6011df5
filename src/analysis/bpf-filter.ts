import { isIP, isIPv6 } from 'node:net'

export const captureProtocols = ['tcp', 'udp', 'sctp', 'icmp', 'icmp6', 'arp'] as const

export interface CaptureFilter {
  protocol?: typeof captureProtocols[number]
  /** An IP literal: a name would be resolved by tcpdump, in the pod, at who knows what cost. */
  host?: string
  port?: number
}

/** One way to write each address; null for what is none. */
export function canonicalAddress (text: string): string | null {
  if (isIP(text) === 0 || text.includes('%')) return null
  return isIPv6(text) ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text
}

const hasPorts = (protocol: CaptureFilter['protocol']) => protocol === undefined || ['tcp', 'udp', 'sctp'].includes(protocol)

/** What keeps the filter from ever fitting a packet: the field, and what is the matter with it. */
export function filterContradictions ({ protocol, host, port }: CaptureFilter): { field: keyof CaptureFilter, detail: string }[] {
  const version = host === undefined ? null : isIP(host)
  return [
    ...host !== undefined && canonicalAddress(host) === null ? [{ field: 'host' as const, detail: 'must be an IPv4 or IPv6 address' }] : [],
    ...port !== undefined && !hasPorts(protocol) ? [{ field: 'port' as const, detail: `does not go with protocol ${protocol}` }] : [],
    ...version === 6 && (protocol === 'icmp' || protocol === 'arp') ? [{ field: 'host' as const, detail: `is IPv6, which has no ${protocol}` }] : [],
    ...version === 4 && protocol === 'icmp6' ? [{ field: 'host' as const, detail: 'is IPv4, which has no icmp6' }] : []
  ]
}

/**
 * The expression for tcpdump, in pcap-filter(7). Nothing of the caller's text gets into it: protocols are words of the list above,
 * addresses are printed anew, ports are numbers. Empty for everything. Throws where `filterContradictions` has something to say.
 */
export function compileFilter (filter: CaptureFilter): string {
  const [contradiction] = filterContradictions(filter)
  if (contradiction) throw new TypeError(`Cannot compile the filter: ${contradiction.field} ${contradiction.detail}`)
  const { protocol, host, port } = filter
  return [
    ...protocol === undefined ? [] : [protocol],
    ...host === undefined ? [] : [`host ${canonicalAddress(host)}`],
    ...port === undefined ? [] : [`port ${Math.trunc(port)}`]
  ].join(' and ')
}

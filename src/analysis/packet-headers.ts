/** Positions are offsets into the bytes that were handed in; a packet is read by looking, without making anything. */
const ipv4 = 0x0800
const ipv6 = 0x86dd
const vlanTags = [0x8100, 0x88a8]

/** Names of the link types that captures in pods have; as registered at tcpdump.org. */
export const linkTypes: Record<number, string> = { 0: 'NULL', 1: 'EN10MB', 12: 'RAW', 101: 'RAW', 113: 'LINUX_SLL', 276: 'LINUX_SLL2' }

const word = (bytes: Uint8Array, at: number) => bytes[at]! << 8 | bytes[at + 1]!

/** Where the IP header begins, or -1: not IP, cut before it, or a link type that is not known. */
export function findIp (bytes: Uint8Array, start: number, end: number, linkType: number): number {
  let at: number
  let kind: number
  if (linkType === 1) {
    at = start + 14
    if (at > end) return -1
    kind = word(bytes, at - 2)
    while (vlanTags.includes(kind) && at + 4 <= end) {
      kind = word(bytes, at + 2)
      at += 4
    }
  } else if (linkType === 276) {
    at = start + 20
    if (at > end) return -1
    kind = word(bytes, start)
  } else if (linkType === 113) {
    at = start + 16
    if (at > end) return -1
    kind = word(bytes, start + 14)
  } else if (linkType === 12 || linkType === 101) {
    at = start
    if (at >= end) return -1
    kind = bytes[at]! >> 4 === 6 ? ipv6 : ipv4
  } else {
    return -1
  }
  return kind === ipv4 || kind === ipv6 ? at : -1
}

export const protocols = { tcp: 6, udp: 17 } as const

/** The protocol in an IP header that findTransport found whole. */
export const protocolOf = (bytes: Uint8Array, ip: number): number => bytes[ip]! >> 4 === 6 ? bytes[ip + 6]! : bytes[ip + 9]!

/** Where what follows the IP header begins, or -1: a later fragment, or cut before it. Extension headers of IPv6 count as a protocol. */
export function findTransport (bytes: Uint8Array, ip: number, end: number): number {
  if (bytes[ip]! >> 4 === 6) return ip + 40 <= end ? ip + 40 : -1
  const at = ip + (bytes[ip]! & 15) * 4
  return ip + 20 <= end && (word(bytes, ip + 6) & 0x1fff) === 0 && at <= end ? at : -1
}

export const tcpFlags = { syn: 2, rst: 4, ack: 16 } as const

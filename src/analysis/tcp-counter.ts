import { findIp, findTransport, tcpFlags } from './packet-headers.ts'

const { syn, rst, ack } = tcpFlags
const tcp = 6

export interface TcpCounts {
  /** Connections that were tried: SYN without ACK, repeated ones included. */
  syns: number
  synAcks: number
  resets: number
  /** Resets in answer to a SYN: RFC 9293 gives them sequence number 0 and ACK. */
  refusals: number
  firstRefusedPacket: number | null
}

export function createTcpCounter () {
  const counts: TcpCounts = { syns: 0, synAcks: 0, resets: 0, refusals: 0, firstRefusedPacket: null }
  return {
    counts,
    /** Looks at the packet in bytes[start, end). */
    see (bytes: Uint8Array, start: number, end: number, linkType: number, packet: number): void {
      const ip = findIp(bytes, start, end, linkType)
      if (ip < 0) return
      const at = findTransport(bytes, ip, end, tcp)
      if (at < 0 || at + 14 > end) return
      const flags = bytes[at + 13]!
      if (flags & syn) {
        if (flags & ack) counts.synAcks++
        else counts.syns++
      } else if (flags & rst) {
        counts.resets++
        const sequence = bytes[at + 4]! | bytes[at + 5]! | bytes[at + 6]! | bytes[at + 7]!
        if (flags & ack && sequence === 0) {
          counts.refusals++
          counts.firstRefusedPacket ??= packet
        }
      }
    }
  }
}

import { createConversationCounter } from './conversation-counter.ts'
import { findIp, findTransport, protocolOf, protocols, tcpFlags } from './packet-headers.ts'

const { syn, rst, ack } = tcpFlags

export interface TcpCounts {
  /** Attempts to connect: SYN without ACK, repeated ones included. */
  syns: number
  synAcks: number
  resets: number
  /** Resets in answer to a SYN: RFC 9293 gives them sequence number 0 and ACK. */
  refusals: number
  firstRefusedPacket: number | null
}

export function createPacketCounter () {
  const tcp: TcpCounts = { syns: 0, synAcks: 0, resets: 0, refusals: 0, firstRefusedPacket: null }
  const conversations = createConversationCounter()

  function countTcp (bytes: Uint8Array, at: number, packet: number): void {
    const flags = bytes[at + 13]!
    if (flags & syn) {
      if (flags & ack) tcp.synAcks++
      else tcp.syns++
    } else if (flags & rst) {
      tcp.resets++
      const sequence = bytes[at + 4]! | bytes[at + 5]! | bytes[at + 6]! | bytes[at + 7]!
      if (flags & ack && sequence === 0) {
        tcp.refusals++
        tcp.firstRefusedPacket ??= packet
      }
    }
  }

  return {
    tcp,
    conversations: conversations.count,
    /** Looks at the packet in bytes[start, end); `packet` is its number in the pcap. */
    see (bytes: Uint8Array, start: number, end: number, linkType: number, packet: number): void {
      const ip = findIp(bytes, start, end, linkType)
      if (ip < 0) return
      const at = findTransport(bytes, ip, end)
      if (at < 0 || at + 4 > end) return
      const protocol = protocolOf(bytes, ip)
      if (protocol !== protocols.tcp && protocol !== protocols.udp) return
      const version6 = bytes[ip]! >> 4 === 6
      conversations.see(bytes, ip + (version6 ? 8 : 12), version6 ? 16 : 4, at, protocol)
      if (protocol === protocols.tcp && at + 14 <= end) countTcp(bytes, at, packet)
    }
  }
}

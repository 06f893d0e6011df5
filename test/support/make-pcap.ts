export interface PcapFormat { little: boolean, nano: boolean, linkType: number, snapLength: number }
export interface Packet { seconds?: number, fraction?: number, originalLength?: number, bytes: Uint8Array }

const ethernet: PcapFormat = { little: true, nano: false, linkType: 1, snapLength: 128 }

function numbers (values: number[], little: boolean): Buffer {
  const buffer = Buffer.alloc(values.length * 4)
  values.forEach((value, index) => { little ? buffer.writeUInt32LE(value, index * 4) : buffer.writeUInt32BE(value, index * 4) })
  return buffer
}

/** A pcap file of any byte order and resolution, as no single tool writes them. */
export function makePcap (packets: Packet[], rest: Partial<PcapFormat> = {}): Buffer {
  const { little, nano, linkType, snapLength } = { ...ethernet, ...rest }
  const version = little ? 0x00040002 : 0x00020004
  return Buffer.concat([
    numbers([nano ? 0xa1b23c4d : 0xa1b2c3d4, version, 0, 0, snapLength, linkType], little),
    ...packets.flatMap(({ seconds = 1_700_000_000, fraction = 0, bytes, originalLength = bytes.length }) =>
      [numbers([seconds, fraction, bytes.length, originalLength], little), bytes])
  ])
}

export interface TcpOptions {
  syn?: boolean
  ack?: boolean
  rst?: boolean
  sequence?: number
  version?: 4 | 6
  fragment?: number
  /** Instead of the Ethernet header. */
  link?: Uint8Array
}

const ethernetHeader = (kind: number, vlan: boolean) => {
  const header = Buffer.alloc(vlan ? 18 : 14)
  if (vlan) header.writeUInt16BE(0x8100, 12)
  header.writeUInt16BE(kind, header.length - 2)
  return header
}

/** One TCP packet without payload. */
export function tcpPacket (options: TcpOptions = {}, { vlan = false } = {}): Buffer {
  const { version = 4, fragment = 0, sequence = 1, link } = options
  const ip = Buffer.alloc(version === 4 ? 20 : 40)
  ip[0] = version === 4 ? 0x45 : 0x60
  ip[version === 4 ? 9 : 6] = 6
  if (version === 4) ip.writeUInt16BE(fragment, 6)
  const tcp = Buffer.alloc(20)
  tcp.writeUInt32BE(sequence, 4)
  tcp[12] = 0x50
  tcp[13] = (options.syn ? 2 : 0) | (options.rst ? 4 : 0) | (options.ack ? 16 : 0)
  return Buffer.concat([link ?? ethernetHeader(version === 4 ? 0x0800 : 0x86dd, vlan), ip, tcp])
}

/** What tcpdump says at its end. */
export const countersText = (captured: number, dropped = 0): string =>
  `tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 128 bytes\n${captured} packet${captured === 1 ? '' : 's'} captured\n` +
  `${captured} packets received by filter\n${dropped} packets dropped by kernel\n`

import t from 'tap'
import { createPcapReader } from '#analysis/pcap-reader.ts'
import { countersText, makePcap, tcpPacket, type TcpOptions } from '../support/make-pcap.ts'
import { recordedBytes, recordedText } from '../support/recorded.ts'

/** Reads a pcap in pieces that end where `cuts` say. */
function read (pcap: Uint8Array, cuts: number[] = []) {
  const reader = createPcapReader()
  let at = 0
  for (const cut of [...cuts, pcap.length]) {
    reader.push(pcap.subarray(at, cut))
    at = cut
  }
  return reader
}

const inPieces = (pcap: Uint8Array, size: number) =>
  read(pcap, Array.from({ length: Math.ceil(pcap.length / size) - 1 }, (_, index) => (index + 1) * size))
const tcpOf = (packets: TcpOptions[]) => read(makePcap(packets.map(packet => ({ bytes: tcpPacket(packet) })))).summary().tcp

t.test('a real capture agrees with what tcpdump counted', t => {
  const reader = read(recordedBytes('http-eth0.pcap'))
  t.equal(reader.end(recordedText('http-eth0.stderr.txt')), null)
  t.match(reader.summary(), {
    packets: 10, linkType: 'EN10MB', snapLength: 128, cutPackets: 2, conversations: 1, tcp: { syns: 1, synAcks: 1, resets: 0, refusals: 0, firstRefusedPacket: null }
  })
  const { firstPacketMs, lastPacketMs } = reader.summary()
  t.equal(new Date(firstPacketMs!).toISOString(), '2026-11-24T09:42:17.490Z')
  t.ok(lastPacketMs! - firstPacketMs! > 1 && lastPacketMs! - firstPacketMs! < 2)
  t.end()
})

t.test('refusals are found in the cooked format of "any" too', t => {
  const reader = read(recordedBytes('refused-any.pcap'))
  t.equal(reader.end(recordedText('refused-any.stderr.txt')), null)
  t.match(reader.summary(), { packets: 4, linkType: 'LINUX_SLL2', conversations: 2, tcp: { syns: 2, synAcks: 0, resets: 2, refusals: 2, firstRefusedPacket: 2 } })
  t.end()
})

t.test('the summary is the same wherever the stream is cut in two, and in pieces of every size', t => {
  for (const file of ['http-eth0', 'refused-any']) {
    const pcap = recordedBytes(`${file}.pcap`)
    const whole = JSON.stringify(read(pcap).summary())
    const summaries = new Set<string>()
    for (let cut = 0; cut <= pcap.length; cut++) summaries.add(JSON.stringify(read(pcap, [cut]).summary()))
    for (let size = 1; size <= pcap.length; size++) summaries.add(JSON.stringify(inPieces(pcap, size).summary()))
    t.same([...summaries], [whole], file)
  }
  t.end()
})

t.test('both byte orders and both resolutions are read', t => {
  for (const little of [true, false]) {
    for (const nano of [true, false]) {
      const packets = [
        { seconds: 1000, fraction: nano ? 5e8 : 5e5, bytes: tcpPacket({ syn: true }), originalLength: 1500 },
        { seconds: 4_000_000_000, bytes: tcpPacket() }
      ]
      const reader = inPieces(makePcap(packets, { little, nano, snapLength: 96 }), 13)
      t.equal(reader.end(countersText(2)), null)
      t.match(reader.summary(), {
        packets: 2, wireBytes: 1500 + 54, cutPackets: 1, snapLength: 96, firstPacketMs: 1_000_500, lastPacketMs: 4e12, tcp: { syns: 1 }
      })
    }
  }
  t.end()
})

t.test('what is missing at the end is said, whichever byte is the last', t => {
  const pcap = recordedBytes('http-eth0.pcap')
  const stderr = recordedText('http-eth0.stderr.txt')
  const said = Array.from({ length: pcap.length }, (_, length) => read(pcap.subarray(0, length)).end(stderr))
  t.notOk(said.includes(null))
  t.match(said[0], /there is no pcap/)
  t.match(said[24], /counted 10 packets, the pcap holds 0/)
  t.equal(said.at(-1), 'record 10 is not whole')
  t.end()
})

t.test('a stream that disagrees with tcpdump, or has no word from it, is not whole', t => {
  const pcap = makePcap([{ bytes: tcpPacket() }])
  t.equal(read(pcap).end(countersText(1)), null)
  t.match(read(pcap).end(countersText(2)), /counted 2 packets, the pcap holds 1/)
  t.match(read(pcap).end('tcpdump: listening on eth0\n'), /did not state its counters/)
  t.match(read(pcap.subarray(0, 0)).end('tcpdump: eth7: No such device exists\n(No such device exists)\n'), /eth7: No such device exists/)
  t.equal(read(makePcap([])).end(countersText(0)), null, 'nothing captured is whole too')
  t.end()
})

t.test('what is no pcap is told at once and never read past its end', t => {
  t.match(read(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n')).end(countersText(0)), /does not begin as a pcap/)
  const huge = makePcap([{ bytes: tcpPacket() }])
  huge.writeUInt32LE(0xffffffff, 24 + 8)
  t.match(read(Buffer.concat([huge, Buffer.alloc(300)])).end(countersText(1)), /record 1 claims 4294967295 bytes/)
  t.end()
})

t.test('TCP is counted by its flags, in IPv4 and IPv6, under VLAN tags, and not in later fragments', t => {
  t.match(tcpOf([{ syn: true }, { syn: true, ack: true }, { ack: true }, { rst: true }]), { syns: 1, synAcks: 1, resets: 1, refusals: 0 })
  const refused = tcpOf([{ syn: true, version: 6 }, { rst: true, ack: true, sequence: 0, version: 6 }])
  t.match(refused, { syns: 1, resets: 1, refusals: 1, firstRefusedPacket: 2 })
  t.match(tcpOf([{ rst: true, ack: true, sequence: 77 }]), { resets: 1, refusals: 0, firstRefusedPacket: null })
  t.match(tcpOf([{ syn: true, fragment: 100 }]), { syns: 0 })
  t.match(read(makePcap([{ bytes: tcpPacket({ syn: true }, { vlan: true }) }])).summary().tcp, { syns: 1 })
  const cooked = Buffer.alloc(16)
  cooked.writeUInt16BE(0x0800, 14)
  t.match(read(makePcap([{ bytes: tcpPacket({ syn: true, link: cooked }) }], { linkType: 113 })).summary().tcp, { syns: 1 })
  t.match(read(makePcap([{ bytes: tcpPacket({ syn: true, link: Buffer.alloc(0) }) }], { linkType: 101 })).summary().tcp, { syns: 1 })
  t.end()
})

t.test('many of the smallest packets are all counted, in the chunks that a channel brings', t => {
  const packets = makePcap(Array.from({ length: 100_000 }, (_, index) => ({ bytes: tcpPacket({ ack: true, sequence: index }) })))
  t.equal(inPieces(packets, 65_000).summary().packets, 100_000)
  t.end()
})

t.test('packets cut anywhere, and noise, are counted without harm', t => {
  const packet = tcpPacket({ syn: true })
  const cut = Array.from({ length: packet.length }, (_, length) => ({ bytes: packet.subarray(0, length), originalLength: packet.length }))
  const noise = Array.from({ length: 500 }, (_, seed) => ({
    bytes: Buffer.from(Array.from({ length: seed % 140 }, (_, at) => (seed * 31 + at * 17) & 255))
  }))
  for (const linkType of [0, 1, 12, 101, 113, 276, 999]) {
    const reader = read(makePcap([...cut, ...noise], { linkType }))
    t.equal(reader.end(countersText(cut.length + noise.length)), null, `${linkType}`)
  }
  t.end()
})

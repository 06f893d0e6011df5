import type { StreamCheck } from '#core/probe.ts'
import { createPacketCounter, type TcpCounts } from './packet-counter.ts'
import { linkTypes } from './packet-headers.ts'
import { readTcpdumpCounters } from './tcpdump-counters.ts'

/** Of each packet only this much is looked at: headers of link, IP and TCP. */
const lookBytes = 128
const fileHeaderBytes = 24
const recordHeaderBytes = 16
/** The most that tcpdump captures of a packet; a record that claims more is no record. */
const maxCaptured = 262_144

export interface PcapSummary {
  packets: number
  /** Bytes on the wire, as the records say it; not what was stored. */
  wireBytes: number
  /** Packets of which less was stored than was on the wire. */
  cutPackets: number
  linkType: string | null
  snapLength: number | null
  /** Milliseconds since the epoch. */
  firstPacketMs: number | null
  lastPacketMs: number | null
  /** TCP and UDP, at most `maxConversations`. */
  conversations: number
  tcp: TcpCounts
}

interface PcapReader extends StreamCheck { summary (): PcapSummary }

/** Magic numbers as they look when read as little-endian: byte order and fraction of a second. */
const magics: Record<number, { little: boolean, perMillisecond: number }> = {
  0xa1b2c3d4: { little: true, perMillisecond: 1e3 },
  0xd4c3b2a1: { little: false, perMillisecond: 1e3 },
  0xa1b23c4d: { little: true, perMillisecond: 1e6 },
  0x4d3cb2a1: { little: false, perMillisecond: 1e6 }
}

/**
 * Reads a pcap as it streams by, however it is cut into chunks, in constant memory and without making anything per packet: it stands in
 * the way of captures that come with hundreds of megabytes a second.
 */
export function createPcapReader (): PcapReader {
  // What a chunk's end cut off: a header, and as much of the packet as is looked at.
  const carry = new Uint8Array(recordHeaderBytes + lookBytes)
  let carried = 0
  let skip = 0
  let format: { little: boolean, perMillisecond: number } | null = null
  let little = true
  let link = -1
  let snapLength: number | null = null
  let packets = 0
  let wireBytes = 0
  let cutPackets = 0
  let firstAt = -1
  let firstFraction = 0
  let lastAt = -1
  let lastFraction = 0
  let broken: string | null = null
  const counter = createPacketCounter()

  const number = (bytes: Uint8Array, at: number) => (little
    ? bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24
    : bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0

  function readFileHeader (bytes: Uint8Array, at: number): void {
    format = magics[number(bytes, at)] ?? null
    if (!format) {
      broken = 'it does not begin as a pcap'
      return
    }
    little = format.little
    snapLength = number(bytes, at + 16)
    // The upper half may say whether frames end with a checksum.
    link = number(bytes, at + 20) & 0xffff
  }

  /** Bytes of the unit at `at` that must be together before it can be read; more once its header is. */
  function wanted (bytes: Uint8Array, at: number, available: number): number {
    if (!format) return fileHeaderBytes
    return available < recordHeaderBytes ? recordHeaderBytes : recordHeaderBytes + Math.min(number(bytes, at + 8), lookBytes)
  }

  /** Reads the unit at `at`; answers its whole length. */
  function readUnit (bytes: Uint8Array, at: number): number {
    if (!format) {
      readFileHeader(bytes, at)
      return fileHeaderBytes
    }
    const captured = number(bytes, at + 8)
    if (captured > maxCaptured) {
      broken = `record ${packets + 1} claims ${captured} bytes`
      return recordHeaderBytes
    }
    const original = number(bytes, at + 12)
    packets++
    wireBytes += original
    if (captured < original) cutPackets++
    lastAt = number(bytes, at)
    lastFraction = number(bytes, at + 4)
    if (firstAt < 0) {
      firstAt = lastAt
      firstFraction = lastFraction
    }
    const start = at + recordHeaderBytes
    counter.see(bytes, start, start + Math.min(captured, lookBytes), link, packets)
    return recordHeaderBytes + captured
  }

  /** Takes bytes of the chunk until the carried unit can be read; answers how many. */
  function complete (chunk: Uint8Array): number {
    let taken = 0
    for (;;) {
      const want = wanted(carry, 0, carried)
      if (carried >= want) break
      const take = Math.min(want - carried, chunk.length - taken)
      carry.set(chunk.subarray(taken, taken + take), carried)
      carried += take
      taken += take
      if (carried < want) return taken
    }
    skip = readUnit(carry, 0) - carried
    carried = 0
    return taken
  }

  function push (chunk: Uint8Array): void {
    if (broken) return
    let at = carried > 0 ? complete(chunk) : 0
    while (!broken) {
      if (skip > 0) {
        const step = Math.min(skip, chunk.length - at)
        skip -= step
        at += step
      }
      const available = chunk.length - at
      if (skip > 0 || carried > 0 || available === 0) return
      if (available < wanted(chunk, at, available)) {
        carry.set(chunk.subarray(at))
        carried = available
        return
      }
      const length = readUnit(chunk, at)
      skip = Math.max(0, length - available)
      at += Math.min(length, available)
    }
  }

  /** tcpdump's own words, where it ended before it wrote anything. */
  const lastWords = (stderr: string) => stderr.trim().split('\n').findLast(line => line.startsWith('tcpdump: ')) ?? 'it said nothing'

  function end (stderr: string): string | null {
    if (broken) return broken
    if (!format) return `there is no pcap; ${lastWords(stderr)}`
    if (skip > 0 || carried > 0) return `record ${skip > 0 ? packets : packets + 1} is not whole`
    const counters = readTcpdumpCounters(stderr)
    if (!counters) return 'tcpdump did not state its counters'
    return counters.captured === packets ? null : `tcpdump counted ${counters.captured} packets, the pcap holds ${packets}`
  }

  const time = (seconds: number, fraction: number) => seconds < 0 || !format ? null : seconds * 1000 + fraction / format.perMillisecond

  return {
    push,
    end,
    summary: () => ({
      packets,
      wireBytes,
      cutPackets,
      linkType: link < 0 ? null : linkTypes[link] ?? `${link}`,
      snapLength,
      firstPacketMs: time(firstAt, firstFraction),
      lastPacketMs: time(lastAt, lastFraction),
      conversations: counter.conversations(),
      tcp: counter.tcp
    })
  }
}

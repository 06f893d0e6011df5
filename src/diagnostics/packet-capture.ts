import { Type } from 'typebox'
import { captureProtocols, compileFilter, filterContradictions } from '#analysis/bpf-filter.ts'
import { maxConversations } from '#analysis/conversation-counter.ts'
import { createPcapReader } from '#analysis/pcap-reader.ts'
import { readTcpdumpCounters } from '#analysis/tcpdump-counters.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { addressPattern } from '#core/host.ts'
import type { CaptureOutput } from '#core/probe.ts'
import { Id, OrNull, Time } from '#core/schema.ts'

const mebibyte = 2 ** 20
/** Room for starting and ending within the hour that a measurement may take. */
const marginSeconds = 60

/** The kernel hands packets over in blocks: when one is full, or a second after it was begun. tcpdump ends without those of the last. */
const drainSeconds = 1.2

/** Without the devices that libpcap takes for something else than the network, as dbus-system or nflog. */
const interfaceName = '^(?!dbus|nf|usbmon|bluetooth)[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$'

const Filter = Type.Object({
  protocol: Type.Optional(Type.Enum(captureProtocols, { description: 'Only packets of this protocol' })),
  host: Type.Optional(Type.String({ pattern: addressPattern, description: 'Only packets from or to this IPv4 or IPv6 address' })),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, description: 'Only packets from or to this port' })),
  direction: Type.Optional(Type.Enum(['both', 'in', 'out'], { description: 'Only packets that the pod receives (in) or sends (out)' }))
}, { additionalProperties: false, default: {}, description: 'Which packets are captured; all conditions must hold' })

const stops = ['time', 'packets', 'bytes', 'finish'] as const

function stoppedBy ({ endCause, durationMs, reachedMaxBytes }: CaptureOutput, durationSeconds: number): typeof stops[number] {
  if (reachedMaxBytes) return 'bytes'
  // tcpdump ends by itself only for -c.
  if (endCause === 'exited') return 'packets'
  return durationMs >= (durationSeconds + drainSeconds) * 1000 ? 'time' : 'finish'
}

const isoTime = (milliseconds: number | null) => milliseconds === null ? null : new Date(milliseconds).toISOString()

export default defineDiagnostic({
  name: 'packet-capture',
  version: '1',
  title: 'Packet capture',
  summary: 'Records packets of the pod\'s network into a pcap, and counts what TCP made of them',
  symptoms: ['connection reset', 'connection refused', 'connection timed out', 'does the request arrive at all'],
  profiles: ['netraw', 'defaultcaps'],
  right: 'captures',
  payload: true,
  retrySafe: false,
  sharesProcesses: false,
  typicalSeconds: 12,
  examples: [
    { title: 'Ten seconds of what one port sees', params: { filter: { protocol: 'tcp', port: 8080 } } },
    { title: 'What goes to one address, until it is asked to finish', params: { durationSeconds: 600, filter: { host: '10.96.0.10' } } },
    { title: 'Between containers of the pod, whole packets', params: { interface: 'lo', snapLength: 262144 } }
  ],
  params: Type.Object({
    interface: Type.String({
      pattern: interfaceName,
      maxLength: 15,
      default: 'eth0',
      description: 'Network interface in the pod: eth0, lo for traffic between its containers, or any (in Linux cooked format)'
    }),
    filter: Filter,
    durationSeconds: Type.Integer({ minimum: 1, maximum: 3600 - marginSeconds, default: 10, description: 'Longest time; finish ends it earlier, both a second late for what the kernel still holds' }),
    maxPackets: Type.Integer({ minimum: 1, maximum: 1e8, default: 1e6, description: 'Ends after so many packets' }),
    maxBytes: Type.Integer({
      minimum: 65_536, maximum: 1024 * mebibyte, default: 100 * mebibyte, description: 'Ends once the pcap is at least this long'
    }),
    snapLength: Type.Integer({
      minimum: 64, maximum: 262_144, default: 128, description: 'Bytes kept of each packet: 128 are the headers, 262144 everything'
    })
  }, { additionalProperties: false }),
  report: Type.Object({
    artifactId: Id,
    packets: Type.Integer({ description: 'Packets in the pcap' }),
    pcapBytes: Type.Integer({ description: 'Length of the pcap' }),
    wireBytes: Type.Integer({ description: 'Bytes that these packets had on the wire' }),
    cutPackets: Type.Integer({ description: 'Packets that the snap length cut' }),
    droppedByKernel: Type.Integer({ description: 'Packets that passed the filter but were lost because tcpdump was too slow' }),
    droppedByInterface: Type.Integer({ description: 'Packets that the interface lost' }),
    interface: Type.String({ description: 'Where it was captured' }),
    linkType: OrNull(Type.String({ description: 'Link type of the pcap, as EN10MB' })),
    snapLength: OrNull(Type.Integer({ description: 'Snap length as the pcap says it' })),
    filter: Type.String({ description: 'Filter as it was given to tcpdump; empty: everything' }),
    firstPacketAt: OrNull(Time),
    lastPacketAt: OrNull(Time),
    stoppedBy: Type.Enum(stops, { description: 'What ended it: its time, a limit, or that it was asked to finish' }),
    conversations: Type.Integer({
      maximum: maxConversations, description: `TCP and UDP conversations, that is pairs of address and port; counted up to ${maxConversations}`
    }),
    tcp: Type.Object({
      syns: Type.Integer({ description: 'Attempts to connect: SYN without ACK, repeated ones included' }),
      synAcks: Type.Integer({ description: 'Attempts that were answered: SYN with ACK' }),
      resets: Type.Integer({ description: 'Packets with RST' }),
      refusals: Type.Integer({ description: 'Resets in answer to a SYN: nobody listens, or a policy rejects' }),
      firstRefusedPacket: OrNull(Type.Integer({ minimum: 1, description: 'Number of the first refusal in the pcap, from 1' }))
    }, { description: 'What TCP made of it' })
  }),
  findings: {
    CAPTURE_EMPTY: {
      severity: 'warning',
      title: 'No packet was captured',
      meaning: 'Nothing passed the filter in this time: who was expected does not send, or the filter or interface is the wrong one',
      remedy: 'Capture without filter, or while the traffic is known to flow'
    },
    CAPTURE_DROPPED: {
      severity: 'warning',
      title: 'Packets are missing',
      meaning: 'Packets that passed the filter are not in the pcap: what cannot be seen in it may still have happened',
      remedy: 'Narrow the filter, or lower the snap length'
    },
    CAPTURE_REFUSED: {
      severity: 'warning',
      title: 'Connections were refused',
      meaning: 'A SYN was answered with RST: nobody listens on that port, or a policy rejects; a single one may be a start-up',
      remedy: 'See who refused in the pcap, and check the port of the Service and what the pods listen on'
    },
    CAPTURE_UNANSWERED: {
      severity: 'warning',
      title: 'No attempt to connect was answered',
      meaning: 'There are SYNs but not one SYN-ACK or RST: packets are dropped on the way, or the other side is gone',
      remedy: 'Check network policies on both sides, and that the address still belongs to somebody'
    }
  },
  contradictions: ({ filter }) => filterContradictions(filter).map(({ field, detail }) => ({ pointer: `/params/filter/${field}`, detail })),
  timeoutSecondsFor: ({ durationSeconds }) => durationSeconds + marginSeconds,

  async measure ({ interface: device, filter, durationSeconds, maxPackets, maxBytes, snapLength }, probe) {
    const { direction = 'both', ...conditions } = filter
    const expression = compileFilter(conditions)
    const check = createPcapReader()
    // -Z root: giving up uid 0 takes capabilities that are dropped. -U: should tcpdump be killed, what it had captured is already here;
    // at 25,000 packets a second that lost none more. -p: other pods' packets are none of ours, whatever the interface.
    const output = await probe.capture([
      'tcpdump', '-n', '-p', '-U', '-Z', 'root', '-i', device, '-Q', direction === 'both' ? 'inout' : direction,
      '-s', `${snapLength}`, '-c', `${maxPackets}`, '-w', '-', '--', ...expression === '' ? [] : [expression]
    ], {
      kind: 'pcap',
      contentType: 'application/vnd.tcpdump.pcap',
      stopAfterSeconds: durationSeconds,
      maxBytes,
      drainSeconds,
      listening: /^tcpdump: listening on /m,
      check
    })
    const { snapLength: snapLengthUsed, firstPacketMs, lastPacketMs, ...summary } = check.summary()
    const counters = readTcpdumpCounters(output.stderr)
    return {
      ...summary,
      artifactId: output.artifactId,
      pcapBytes: output.sizeBytes,
      droppedByKernel: counters?.droppedByKernel ?? 0,
      droppedByInterface: counters?.droppedByInterface ?? 0,
      interface: device,
      snapLength: snapLengthUsed,
      filter: expression,
      firstPacketAt: isoTime(firstPacketMs),
      lastPacketAt: isoTime(lastPacketMs),
      stoppedBy: stoppedBy(output, durationSeconds)
    }
  },

  judge ({ packets, droppedByKernel, droppedByInterface, filter, tcp }, { filter: { direction = 'both' }, durationSeconds }) {
    const dropped = droppedByKernel + droppedByInterface
    const { syns, synAcks, resets, refusals, firstRefusedPacket } = tcp
    const run = { run: 0 }
    return [
      ...packets === 0
        ? [{ code: 'CAPTURE_EMPTY' as const, message: `No packet passed ${filter === '' ? 'by' : `the filter "${filter}"`}`, data: { durationSeconds }, evidence: [run] }]
        : [],
      ...dropped > 0
        ? [{ code: 'CAPTURE_DROPPED' as const, message: `Packets missing beside the ${packets} captured: ${dropped}`, data: { droppedByKernel, droppedByInterface }, evidence: [run] }]
        : [],
      ...firstRefusedPacket !== null
        ? [{
            code: 'CAPTURE_REFUSED' as const,
            message: `Attempts to connect that were refused: ${refusals}`,
            data: { refusals, syns },
            evidence: [{ ...run, packet: firstRefusedPacket }]
          }]
        : [],
      // One direction alone shows questions or answers, never both.
      ...direction === 'both' && syns > 0 && synAcks === 0 && resets === 0
        ? [{ code: 'CAPTURE_UNANSWERED' as const, message: `Attempts to connect, none of which was answered: ${syns}`, data: { syns }, evidence: [run] }]
        : []
    ]
  }
})

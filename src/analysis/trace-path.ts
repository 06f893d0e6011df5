import { Type, type Static } from 'typebox'
import { OrNull } from '#core/schema.ts'
import { summarizeTimes, TimesOrNull } from './times.ts'
import { sayMark, type TraceAnswer, type TraceHop } from './traceroute.ts'

/** One trace, of one packet a hop. */
export interface Sample { run: number, hops: TraceHop[] }

export const TracedHop = Type.Object({
  hop: Type.Integer({ minimum: 1, description: 'How many hops away, from 1' }),
  ips: Type.Array(Type.String(), { description: 'Who answered; several where samples took different ways, none where nobody ever did' }),
  sent: Type.Integer({ minimum: 0, description: 'Packets that were to be answered here' }),
  answered: Type.Integer({ minimum: 0, description: 'Those that were; a router on the way answers when it has time, so that what it leaves out need not be lost' }),
  times: TimesOrNull
}, { description: 'One hop, all samples together' })
export type TracedHop = Static<typeof TracedHop>

export const TraceRefusal = Type.Object({
  hop: Type.Integer({ minimum: 1, description: 'Hop whose packet was refused' }),
  ip: OrNull(Type.String({ description: 'Who refused it; null: the kernel of the pod' })),
  reason: Type.String({ description: 'Why, in words' }),
  run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs it was, from 0' }),
  line: Type.Integer({ minimum: 1, description: 'Line of its output' })
}, { description: 'That somebody said that a packet goes no further' })
export type TraceRefusal = Static<typeof TraceRefusal>

export const TracedPath = Type.Object({
  reachedHop: OrNull(Type.Integer({ minimum: 1, description: 'Where the destination answered; null: it never did' })),
  hops: Type.Array(TracedHop, { description: 'Up to the destination, or to the last hop that ever answered' }),
  refusals: Type.Array(TraceRefusal, { description: 'What routers said that passed packets no further' }),
  loop: Type.Array(Type.String(), { description: 'Addresses that packets came by again; empty where they did not go in circles' }),
  lossFromHop: OrNull(Type.Integer({ minimum: 1, description: 'Hop from which on all lose packets, up to the destination; null: no such loss' }))
})
export type TracedPath = Static<typeof TracedPath>

const first = ({ answers }: TraceHop): TraceAnswer => answers[0] ?? { ip: null, ms: null, mark: null }

interface Ends { destination: string, isOwn: (ip: string | null) => boolean }

function refusalsOf ({ run, hops }: Sample, { destination, isOwn }: Ends): TraceRefusal[] {
  return hops.flatMap(hop => {
    const { ip, mark } = first(hop)
    if (mark === null || ip === destination) return []
    return [{ hop: hop.hop, ip: isOwn(ip) ? null : ip, reason: sayMark(mark), run, line: hop.line }]
  })
}

/** A router that answers twice in a row does not send in circles: it counts hops badly. */
function loopOf ({ hops }: Sample, { destination }: Ends): string[] {
  const ips = hops.map(hop => first(hop).ip)
  return ips.includes(destination) ? [] : ips.filter((ip, index): ip is string => ip !== null && ips.indexOf(ip, index + 2) !== -1)
}

/**
 * What several traces of one path come to. `ownIps`: of the pod, whose kernel says under its own address that a neighbour is missing.
 * Loss is what goes on to the destination; a silent router that passes everything on only spares itself the answers, and a hop where
 * nobody ever answers says nothing: it may be the destination itself.
 */
export function tracePath (samples: Sample[], destination: string, ownIps: string[]): TracedPath {
  const isOwn = (ip: string | null) => ip === null || (ownIps.includes(ip) && ip !== destination)
  const ends = { destination, isOwn }
  const all = samples.flatMap(({ hops }) => hops)
  const arrivals = all.filter(hop => first(hop).ip === destination).map(({ hop }) => hop)
  const reachedHop = arrivals.length > 0 ? Math.min(...arrivals) : null
  const length = reachedHop ?? Math.max(0, ...all.filter(hop => !isOwn(first(hop).ip)).map(({ hop }) => hop))
  const hops = Array.from({ length }, (_, index): TracedHop => {
    const packets = all.filter(({ hop }) => hop === index + 1).map(first)
    const answers = packets.filter(({ ip }) => !isOwn(ip))
    return {
      hop: index + 1,
      ips: [...new Set(answers.map(({ ip }) => ip!))],
      sent: packets.length,
      answered: answers.length,
      times: summarizeTimes(answers.map(({ ms }) => ms).filter(ms => ms !== null))
    }
  })
  const lastWhole = hops.findLastIndex(({ sent, answered }) => answered === sent)
  return {
    reachedHop,
    hops,
    refusals: samples.flatMap(sample => refusalsOf(sample, ends)),
    loop: [...new Set(samples.flatMap(sample => loopOf(sample, ends)))],
    lossFromHop: reachedHop === null ? null : hops.find(({ answered }, index) => index > lastWhole && answered > 0)?.hop ?? null
  }
}

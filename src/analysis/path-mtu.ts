import { Type, type Static } from 'typebox'
import type { Probe } from '#core/probe.ts'
import { OrNull } from '#core/schema.ts'
import { parseTraceroute, slowPauseMs, traceArgv, traceSeconds, type TraceAnswer, type TraceMethod } from './traceroute.ts'

/** Above what any device takes: the kernel says what its device takes, and sends nothing. */
const hugeBytes = 65_000
const maxSteps = 4
const pauseMs = 20

export const PathMtu = Type.Object({
  deviceBytes: Type.Integer({ description: 'Largest packet that the pod\'s own device sends' }),
  triedBytes: Type.Integer({ description: 'Size that was tried last' }),
  arrives: Type.Boolean({ description: 'Whether packets of that size arrive; false: they vanish, and nobody says which size would fit' }),
  limitedBy: OrNull(Type.String({ description: 'Address that said that larger packets do not fit; null: nobody had to, or did' })),
  lastHop: OrNull(Type.Integer({ minimum: 0, description: 'Last hop that packets of that size reach; null: they arrive' })),
  run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs showed it, from 0' })
}, { description: 'The largest IP packet that the path carries in one piece' })
export type PathMtu = Static<typeof PathMtu>

interface Path { ip: string, hop: number, method: TraceMethod, waitSeconds: number }

/** The most that `findPathMtu` takes. */
export const secondsToFindMtu = (hop: number, waitSeconds: number): number => {
  const oneHop = traceSeconds({ firstHop: hop, lastHop: hop, pauseMs, waitSeconds })
  return (1 + maxSteps) * oneHop + traceSeconds({ lastHop: hop, pauseMs: slowPauseMs(hop), waitSeconds })
}

const tooLarge = ({ mark }: TraceAnswer) => Number(/^F-(\d+)$/.exec(mark ?? '')?.[1] ?? 0)

/**
 * Sends packets to the destination that must not be broken up: as large as the pod's device allows, and smaller as the path asks for it.
 * `hop`: where the destination is, which answers small packets. Null: the device takes any size, as loopback does.
 */
export async function findPathMtu ({ ip, hop, method, waitSeconds }: Path, run: Probe['run']): Promise<PathMtu | null> {
  const options = { method, port: null, firstHop: hop, lastHop: hop, pauseMs, waitSeconds }
  const answersTo = async (bytes: number) => {
    const { stdout, stderr, run: number } = await run(traceArgv(ip, { ...options, bytes }))
    return { number, answers: parseTraceroute(stdout, stderr).hops.flatMap(({ answers }) => answers) }
  }
  const arrived = (answer: TraceAnswer) => answer.ip === ip && tooLarge(answer) === 0
  const own = await answersTo(hugeBytes)
  const deviceBytes = Math.max(0, ...own.answers.map(tooLarge))
  if (deviceBytes === 0) return null
  let triedBytes = deviceBytes
  let limitedBy: string | null = null
  for (let step = 0; step < maxSteps; step++) {
    const { number, answers } = await answersTo(triedBytes)
    if (answers.some(arrived)) return { deviceBytes, triedBytes, arrives: true, limitedBy, lastHop: null, run: number }
    const refusal = answers.find(answer => tooLarge(answer) > 0 && tooLarge(answer) < triedBytes)
    if (!refusal) break
    triedBytes = tooLarge(refusal)
    limitedBy = refusal.ip
  }
  // All the way once more: one packet may get lost, a host at its limit of answers leaves them out; and it shows how far they get.
  const slowly = { ...options, firstHop: 1, pauseMs: slowPauseMs(hop), bytes: triedBytes }
  const { stdout, stderr, run: number } = await run(traceArgv(ip, slowly))
  const { hops } = parseTraceroute(stdout, stderr)
  const arrives = hops.some(({ answers }) => answers.some(arrived))
  const lastHop = hops.findLast(({ answers }) => answers.some(answer => answer.ip !== null))?.hop ?? 0
  return { deviceBytes, triedBytes, arrives, limitedBy, lastHop: arrives ? null : lastHop, run: number }
}

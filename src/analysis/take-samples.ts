import { Type, type Static } from 'typebox'
import type { Probe } from '#core/probe.ts'
import { OrNull } from '#core/schema.ts'
import { mtrArgv, parseMtr } from './mtr.ts'
import { tracePath, type Sample, type TracedPath } from './trace-path.ts'
import { parseTraceroute, slowPauseMs, traceArgv, traceMethods, traceSeconds, type TraceMethod, type TraceOutput } from './traceroute.ts'

/** Between two packets of a path whose length is not known yet. */
const firstPauseMs = 50
/** traceroute sends no more. */
const mostPerHop = 10

export const sampleMethods = [...traceMethods, 'mtr'] as const
export type SampleMethod = typeof sampleMethods[number]

interface Options { method: SampleMethod, port: number | null, samples: number, maxHops: number, waitSeconds: number }
type Source = Pick<Probe, 'pod' | 'run'>

export const Samples = Type.Object({
  permitted: Type.Boolean({ description: 'Whether the session may send such packets' }),
  failure: OrNull(Type.String({ description: 'Why the kernel of the pod would not send; null: it did' })),
  samples: Type.Array(Type.Object({
    path: Type.Array(OrNull(Type.String()), { description: 'Who answered at each hop, from the first; null: nobody' }),
    run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs it was, from 0' })
  }, { description: 'One trace' }), { description: 'Traces in their order' })
})

/** The most that one sample takes. */
export const secondsToSample = (maxHops: number, waitSeconds: number): number =>
  1 + traceSeconds({ lastHop: maxHops, pauseMs: firstPauseMs, waitSeconds })

type Taken = Pick<TraceOutput, 'permitted' | 'failure'> & { taken: Sample[], path: TracedPath }

async function takeByMtr (ip: string, { pod, run: start }: Source, options: Options): Promise<Taken> {
  const { stdout, stderr, run } = await start(mtrArgv(ip, options))
  const { samples, ...sending } = parseMtr(stdout, stderr)
  const taken = samples.length === 0 ? [{ run, hops: [] }] : samples.map(hops => ({ run, hops }))
  return { ...sending, taken, path: tracePath(taken, ip, pod.podIPs) }
}

/**
 * Once the length of the path is known, nothing is sent that would go farther, and slowly. A destination at the first hop leaves no pause
 * between two traces: there one trace takes several samples.
 */
async function takeByTraceroute (ip: string, { pod, run: start }: Source, options: Options & { method: TraceMethod }): Promise<Taken> {
  const { samples: count, maxHops, ...rest } = options
  const taken: Sample[] = []
  let path = tracePath(taken, ip, pod.podIPs)
  let sending: Pick<Taken, 'permitted' | 'failure'> = { permitted: true, failure: null }
  while (taken.length < count && sending.permitted && sending.failure === null) {
    const { reachedHop } = path
    const lastHop = reachedHop ?? maxHops
    const perHop = reachedHop === 1 ? Math.min(mostPerHop, count - taken.length) : 1
    const pauseMs = reachedHop === null ? firstPauseMs : slowPauseMs(lastHop)
    const { stdout, stderr, run } = await start(traceArgv(ip, { ...rest, lastHop, perHop, pauseMs }))
    const { hops, ...said } = parseTraceroute(stdout, stderr)
    sending = said
    for (let index = 0; index < perHop; index++) {
      taken.push({ run, hops: hops.map(hop => ({ ...hop, answers: hop.answers.slice(index, index + 1) })) })
    }
    path = tracePath(taken, ip, pod.podIPs)
  }
  return { ...sending, taken, path }
}

/** Traces the path several times, each time anew; ends where the kernel of the pod sends nothing. */
export async function takeSamples (ip: string, source: Source, options: Options): Promise<Static<typeof Samples> & TracedPath> {
  const { method } = options
  const { taken, path, ...sending } = await (method === 'mtr' ? takeByMtr(ip, source, options) : takeByTraceroute(ip, source, { ...options, method }))
  const samples = taken.map(({ run, hops }) => ({ path: hops.map(({ answers }) => answers[0]?.ip ?? null), run }))
  return { ...sending, samples, ...path }
}

import type { Probe } from '#core/probe.ts'
import { tracePath, type Sample, type TracedPath } from './trace-path.ts'
import { parseTraceroute, traceArgv, traceSeconds, type TraceMethod } from './traceroute.ts'

/** Between two packets of a path whose length is not known yet. */
const firstPauseMs = 50

interface Options { method: TraceMethod, port: number | null, samples: number, maxHops: number, waitSeconds: number }

interface Taken {
  /** false: the session may not send such packets. */
  permitted: boolean
  /** Why the kernel of the pod would not send; null: it did. */
  failure: string | null
  taken: Sample[]
  traced: TracedPath
}

/** The most that one sample takes. */
export const secondsToSample = (maxHops: number, waitSeconds: number): number =>
  1 + traceSeconds({ lastHop: maxHops, pauseMs: firstPauseMs, waitSeconds })

/**
 * Traces the path several times. Once its length is known, nothing is sent that would go farther, and a sample takes a second: hosts and
 * routers answer hardly more often, and would seem to lose what they do not answer.
 */
export async function takeSamples (ip: string, { pod, run: start }: Pick<Probe, 'pod' | 'run'>, options: Options): Promise<Taken> {
  const { samples, maxHops, ...rest } = options
  const taken: Sample[] = []
  let traced = tracePath(taken, ip, pod.podIPs)
  for (let number = 0; number < samples; number++) {
    const lastHop = traced.reachedHop ?? maxHops
    const pauseMs = traced.reachedHop === null ? firstPauseMs : 1000 / lastHop
    const { stdout, stderr, run } = await start(traceArgv(ip, { ...rest, lastHop, pauseMs }))
    const { permitted, failure, hops } = parseTraceroute(stdout, stderr)
    taken.push({ run, hops })
    traced = tracePath(taken, ip, pod.podIPs)
    if (!permitted || failure !== null) return { permitted, failure, taken, traced }
  }
  return { permitted: true, failure: null, taken, traced }
}

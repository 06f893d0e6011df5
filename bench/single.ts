import type { JobRequest } from '#core/job.ts'
import { timed, type Comparison } from './statistics.ts'
import { placeOf, type World } from './world.ts'

const lookup = (namespace: string, pod: string): JobRequest =>
  ({ diagnostic: 'dns-lookup', target: { namespace, pod }, params: { names: ['orders.shop.svc.cluster.local'] } })

/** The first diagnostic in a fresh pod, against `kubectl debug` with the same argv; then the next one against `kubectl exec`. */
export async function benchSingle ({ service, kubectl, namespace, toolbox, rounds, freshPod, say }: World): Promise<Comparison[]> {
  const first: Comparison = { name: 'first diagnostic in a fresh pod', unit: 'ms', ours: [], theirs: [], limit: 0.5, goal: 0.3 }
  const next: Comparison = { name: 'next diagnostic on it', unit: 'ms', ours: [], theirs: [], limit: 0.3, goal: 0.15 }
  const wait = { prefer: 'wait=50' }

  async function measured (request: JobRequest) {
    const start = performance.now()
    const job = await service.launch(request, wait)
    const took = performance.now() - start
    if (job.state !== 'succeeded' || job.verdict !== 'pass') throw new Error(`The benchmark's job ended ${job.state}: ${JSON.stringify(job.error ?? job.findings)}`)
    return { job, took }
  }

  // A service runs for days: what it does in its first seconds is not what its callers meet.
  const used = await freshPod()
  for (let warm = 0; warm < 200; warm++) await measured(lookup(namespace, used))
  for (let round = 0; round < rounds; round++) {
    const pod = await freshPod()
    const { job, took } = await measured(lookup(namespace, pod))
    first.ours.push(took)
    const { argv } = job.pods.items[0]!.runs[0]!
    const debugged = { namespace, pod: await freshPod() }
    first.theirs.push(await timed(() => kubectl.debug(debugged, toolbox, argv)))

    const place = placeOf(namespace, job)
    for (let repeat = 0; repeat < 3; repeat++) {
      next.ours.push((await measured(lookup(namespace, pod))).took)
      next.theirs.push(await timed(() => kubectl.exec(place, argv)))
    }
    say(`single: round ${round + 1} of ${rounds}`)
  }
  return [first, next]
}

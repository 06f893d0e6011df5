import type { JobRequest } from '#core/job.ts'
import { median, timed, type Comparison } from './statistics.ts'
import { pause, placeOf, type World } from './world.ts'

const count = 50
const clients = 8
/** Of ours, in each round: one batch is too short to tell it from the noise of a machine. */
const repeats = 5

/** 50 jobs on one pod by 8 clients to their final state, against the best of `kubectl exec` at 1, 4, 8 and 50 in parallel. */
export async function benchMany ({ service, kubectl, namespace, rounds, freshPod, say }: World): Promise<Comparison[]> {
  const pod = await freshPod()
  const quick: JobRequest = { diagnostic: 'test-run', target: { namespace, pod }, image: 'toolbox-test', params: { argv: ['true'] } }
  const slow: JobRequest = { ...quick, params: { argv: ['sleep', '1'] } }
  const place = placeOf(namespace, await service.launch(quick, { prefer: 'wait=50' }))

  async function all (request: JobRequest): Promise<void> {
    let left = count
    const ids: string[] = []
    const each = (work: () => Promise<void>) => Promise.all(Array.from({ length: clients }, work))
    await each(async () => { while (left-- > 0) ids.push((await service.launch(request)).id) })
    await each(async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
        const job = await service.final(id)
        if (job.verdict !== 'pass') throw new Error(`A job of the benchmark ended ${job.state}: ${JSON.stringify(job.error)}`)
      }
    })
  }

  // A service runs for days: what it does in its first seconds is not what its callers meet.
  for (let round = 0; round < 60; round++) await all(quick)
  const ours: number[] = []
  const waits: number[] = []
  const theirs = new Map([1, 4, 8, 50].map(parallel => [parallel, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    await pause()
    for (let repeat = 0; repeat < repeats; repeat++) ours.push(await timed(() => all(quick)))
    await pause()
    waits.push(await timed(() => all(slow)))
    for (const [parallel, times] of theirs) {
      await pause()
      times.push(await timed(() => kubectl.many(place, ['true'], count, parallel)))
    }
    say(`many: round ${round + 1} of ${rounds}`)
  }
  const [best, bestTimes] = [...theirs].sort(([, a], [, b]) => median(a) - median(b))[0]!
  return [
    { name: `${count} jobs on one pod (kubectl at its best, -P${best})`, unit: 'ms', ours, theirs: bestTimes, limit: 0.1, goal: 0.05 },
    { name: `${count} that wait 1 s (beside: 3,000 ms allowed)`, unit: 'ms', ours: waits, theirs: waits.map(() => 3000), limit: 1 }
  ]
}

import { createRandom } from '../schedules/random.ts'
import type { Plan, PlannedFault, PlannedJob } from './plan.ts'

interface LoadOptions { jobs: number, pods: number, callers: number, killEverySeconds: number, seconds: number }

const whole: LoadOptions = { jobs: 1000, pods: 20, callers: 20, killEverySeconds: 10, seconds: 100 }

/** Many jobs, launched within a few seconds, of many callers over many pods, while the workers are killed in turn. */
export function drawLoad (seed: number, { jobs: count, pods, callers, killEverySeconds, seconds }: LoadOptions = whole): Plan {
  const random = createRandom(seed, 'load')
  const jobs = Array.from({ length: count }, (_, nth): PlannedJob => ({
    kind: random.weighed({ quick: 6, once: 3, capture: 1 }),
    word: `w${seed}x${nth}x`,
    seconds: random.integer(1, 3),
    lines: random.integer(1, 500),
    caller: nth % callers,
    pods: [random.integer(0, pods - 1)],
    key: `load-${seed}-${nth}`,
    copies: 1,
    atMs: random.integer(0, seconds * 500),
    cancelAfterMs: null,
    finishAfterMs: null,
    followed: nth % 10 === 0
  }))
  const faults = Array.from({ length: Math.floor(seconds / killEverySeconds) }, (_, nth): PlannedFault =>
    ({ what: 'kill', process: nth % 2 === 0 ? 'worker-0' : 'worker-1', atMs: (nth + 1) * killEverySeconds * 1000, forMs: 0 }))
  return { options: { seed, seconds, pods, callers, jobs: count, faults: faults.length, kills: true, silence: false }, jobs, faults }
}

import { createRandom, type Random } from '../schedules/random.ts'
import { kinds, type Command, type Kind } from './commands.ts'

export const processNames = ['api', 'worker-0', 'worker-1'] as const
export type ProcessName = typeof processNames[number]
export const dependencies = ['database', 'queue', 'bucket', 'cluster'] as const
export type Dependency = typeof dependencies[number]

export interface PlannedJob extends Command {
  caller: number
  /** Numbers of pods. */
  pods: number[]
  key: string | null
  /** Identical requests in parallel. */
  copies: number
  atMs: number
  cancelAfterMs: number | null
  finishAfterMs: number | null
  /** Whether its events are followed; others are read once at the end. */
  followed: boolean
}

/** Of a connection: `cut` once; the others last. `halfOpen` swallows everything, also what is sent on new connections. */
export const breaks = ['cut', 'refuse', 'halfOpen', 'delay'] as const
/** Of requests: refused, carried out without an answer, or late. */
export const answers = ['busy', 'broken', 'forbidden', 'unheard', 'late'] as const

export type PlannedFault = { atMs: number, forMs: number } & (
  { what: 'kill', process: ProcessName } |
  { what: 'restartQueue' } |
  { what: typeof breaks[number], process: ProcessName, dependency: Dependency } |
  { what: typeof answers[number], process: ProcessName, dependency: 'bucket' | 'cluster', share: number })

export interface PlanOptions {
  seed: number
  seconds: number
  pods: number
  callers: number
  jobs: number
  faults: number
  /** Whether processes are killed at other times too than each once. */
  kills: boolean
  /** Whether exec connections go half open: the runner ends what it runs only after a minute of silence. */
  silence: boolean
}

export interface Plan { options: PlanOptions, jobs: PlannedJob[], faults: PlannedFault[] }

const weights: Record<Kind, number> = { quick: 6, slow: 4, once: 4, big: 1, overdue: 2, capture: 4, lookup: 3 }
const lastsMs: Record<typeof breaks[number], [number, number]> = {
  cut: [0, 0], refuse: [1000, 6000], halfOpen: [2000, 9000], delay: [2000, 8000]
}

function drawJob (random: Random, nth: number, { seed, seconds, pods, callers }: PlanOptions): PlannedJob {
  const kind = random.weighed(weights)
  const all = Array.from({ length: pods }, (_, pod) => pod)
  const key = random.chance(0.8) ? `key-${seed}-${nth}` : null
  return {
    kind,
    word: `w${seed}x${nth}x`,
    seconds: random.integer(2, 5),
    lines: random.integer(1, 4000),
    caller: random.integer(0, callers - 1),
    pods: random.chance(0.15) ? all.slice(0, random.integer(2, Math.min(3, pods))) : [random.one(all)],
    key,
    copies: key && random.chance(0.3) ? random.integer(2, 4) : 1,
    atMs: random.integer(0, seconds * 1000),
    cancelAfterMs: random.chance(0.12) ? random.integer(0, 4000) : null,
    finishAfterMs: kind === 'capture' && random.chance(0.4) ? random.integer(500, 4000) : null,
    followed: true
  }
}

function drawFault (random: Random, { seconds, silence, kills }: PlanOptions): PlannedFault {
  const atMs = random.integer(500, seconds * 1000)
  const process = random.one<ProcessName>(['api', 'worker-0', 'worker-0', 'worker-1', 'worker-1'])
  const what = random.weighed({ kill: kills ? 5 : 0, restartQueue: 1, break: 7, answer: 5 })
  if (what === 'kill') return { what, process, atMs, forMs: random.integer(0, 2000) }
  if (what === 'restartQueue') return { what, atMs, forMs: random.integer(500, 4000) }
  if (what === 'answer') {
    const share = random.one([0.3, 1])
    return { what: random.one(answers), process, dependency: random.one(['bucket', 'cluster']), share, atMs, forMs: random.integer(2000, 8000) }
  }
  const dependency = random.one(dependencies)
  const way = random.one(breaks.filter(way => way !== 'halfOpen' || dependency !== 'cluster' || silence))
  return { what: way, process, dependency, atMs, forMs: random.integer(...lastsMs[way]) }
}

/** All that happens, and when; a seed and the same numbers give the same plan each time. */
export function drawPlan (options: PlanOptions): Plan {
  const random = createRandom(options.seed, 'plan')
  const jobs = Array.from({ length: options.jobs }, (_, nth) => drawJob(random, nth, options))
  // Each kind once, whatever is drawn.
  for (const [nth, kind] of kinds.entries()) if (jobs[nth]) Object.assign(jobs[nth], { kind, finishAfterMs: null })
  const faults = Array.from({ length: options.faults }, () => drawFault(random, options))
  const kills = processNames.map((process, nth): PlannedFault =>
    ({ what: 'kill', process, atMs: Math.round(options.seconds * 1000 * (nth + 1) / 4), forMs: 0 }))
  const inOrder = <T extends { atMs: number }>(list: T[]) => list.toSorted((a, b) => a.atMs - b.atMs)
  return { options, jobs: inOrder(jobs), faults: inOrder([...faults, ...kills]) }
}

/** In words, for who looks for what went wrong. */
export const describeFault = ({ atMs, forMs, ...fault }: PlannedFault): string =>
  `${(atMs / 1000).toFixed(1)} s: ${'process' in fault ? `${fault.process} ` : ''}${fault.what}${'dependency' in fault ? ` ${fault.dependency}` : ''}` +
  `${forMs > 0 ? ` for ${(forMs / 1000).toFixed(1)} s` : ''}`

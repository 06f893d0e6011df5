import { createRandom, type Random } from './random.ts'

/** lookup may be repeated; once and capture must not run twice. */
export type DiagnosticName = 'lookup' | 'once' | 'capture'

export interface PlannedJob {
  /** Travels in its parameters to the tool: what ran in a pod is told apart by it. */
  word: string
  caller: string
  diagnostic: DiagnosticName
  /** Null: all pods. */
  pod: string | null
  key: string | null
  /** Identical requests in parallel. */
  copies: number
  /** Each copy without a key is a job of its own, and may share the measurement of another. */
  shares: boolean
  afterMs: number
  cancelAfterMs: number | null
  finishAfterMs: number | null
  /** It waited too long: its time to start is moved back, where it still waits. */
  expires: boolean
}

/**
 * What becomes of a process, from a call on: `crash` answers nothing and writes nothing any more (the call itself may have been carried
 * out); `cutOff` reaches no database until its claims were taken away; `freeze` stands still until then, before the call or (carried out)
 * after it, and goes on as if nothing had happened: only its clock tells. Only calls to the database freeze.
 */
export interface Fate {
  kind: 'crash' | 'cutOff' | 'freeze'
  /** Null: calls of every kind count. */
  call: string | null
  step: number
  carriedOut: boolean
}

/** Where a loss leaves most to be found by others. */
const critical = ['runs.start', 'runs.started', 'runs.started', 'runs.end', 'jobs.finish', 'injector.inject', 'sessions.open']

export interface Schedule {
  seed: number
  pods: string[]
  jobs: PlannedJob[]
  workers: (Fate | null)[]
  api: Fate | null
  concurrency: number
  /** Share of wake-ups that nobody hears. */
  lostRings: number
  /** Share of calls that fail, by port; those to the database were carried out. */
  troubles: number
}

function drawFate (random: Random, steps: number, call: string | null = null): Fate {
  const step = random.integer(1, call ? 2 : steps)
  return { kind: random.one(['crash', 'crash', 'cutOff', 'freeze']), call, step, carriedOut: random.chance(0.5) }
}
const drawWorkerFate = (random: Random): Fate => drawFate(random, 45, random.chance(0.5) ? random.one(critical) : null)

function drawJob (random: Random, sharing: Random, number: number, pods: string[]): PlannedJob {
  const shares = sharing.chance(0.4)
  const diagnostic = random.one<DiagnosticName>(['lookup', 'lookup', 'once', 'once', 'capture'])
  const key = random.chance(0.5) ? `key-${number}` : null
  return {
    word: `job-${number}`,
    caller: random.one(['ada', 'bob', 'eve']),
    diagnostic,
    pod: random.chance(0.3) ? null : random.one(pods),
    key,
    copies: key ? random.integer(1, 4) : shares ? sharing.integer(1, 4) : 1,
    shares,
    afterMs: random.integer(0, 40),
    cancelAfterMs: random.chance(0.2) ? random.integer(0, 80) : null,
    finishAfterMs: diagnostic === 'capture' && random.chance(0.5) ? random.integer(5, 80) : null,
    expires: random.chance(0.1)
  }
}

/** Everything that is decided before a schedule begins; a seed gives the same one each time. */
export function drawSchedule (seed: number): Schedule {
  const random = createRandom(seed, 'schedule')
  const sharing = createRandom(seed, 'sharing')
  const pods = Array.from({ length: random.integer(1, 3) }, (_, index) => `web-${index}`)
  return {
    seed,
    pods,
    jobs: Array.from({ length: random.integer(1, 6) }, (_, index) => drawJob(random, sharing, index, pods)),
    workers: Array.from({ length: random.integer(2, 3) }, (_, index) => index === 0 || random.chance(0.3) ? drawWorkerFate(random) : null),
    api: random.chance(0.3) ? drawFate(random, 25) : null,
    concurrency: random.integer(1, 4),
    lostRings: random.one([0, 0.3, 1]),
    troubles: random.one([0, 0.02, 0.05])
  }
}

/** In words, for who looks for what went wrong. */
export function describeSchedule ({ pods, jobs, workers, api, ...rest }: Schedule): string[] {
  const fate = (fate: Fate | null) => fate ? `${fate.kind} at call ${fate.step}${fate.call ? ` of ${fate.call}` : ''}${fate.kind !== 'cutOff' && fate.carriedOut ? ', which is carried out' : ''}` : 'lives'
  return [
    `pods ${pods.join(', ')}; ${JSON.stringify(rest)}`,
    ...workers.map((worker, index) => `worker-${index}: ${fate(worker)}`),
    `api: ${fate(api)}`,
    ...jobs.map(job => JSON.stringify(job))
  ]
}

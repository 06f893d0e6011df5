import type { Test } from 'tap'
import { Type } from 'typebox'
import { defineDiagnostic, type AnyDiagnostic } from '#core/diagnostic.ts'
import { isFinal, type Job, type JobPod, type JobRequest } from '#core/job.ts'
import type { CaptureOptions, Probe } from '#core/probe.ts'
import type { Policy } from '#core/preflight.ts'
import type { ProfileName } from '#core/profile.ts'
import { createUseCases } from '#jobs/create-use-cases.ts'
import { createWorker } from '#jobs/worker.ts'
import { caller, createFakePorts } from './fake-ports.ts'

const common = {
  version: '1',
  title: 'A diagnostic for tests',
  summary: 'Measures what a test says',
  symptoms: [],
  profiles: ['restricted'] as ProfileName[],
  right: 'jobs' as const,
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 1,
  examples: [],
  params: Type.Object({ word: Type.Optional(Type.String({ maxLength: 10 })) }, { additionalProperties: false }),
  report: Type.Object({}),
  findings: {
    TEST_BAD: { severity: 'error' as const, title: 'Bad', meaning: 'It is bad', remedy: 'Mend it' },
    TEST_ODD: { severity: 'warning' as const, title: 'Odd', meaning: 'It is odd', remedy: 'Look' }
  },
  timeoutSecondsFor: () => 30
} satisfies Partial<AnyDiagnostic>

type Measure = (probe: Probe) => Promise<Record<string, unknown>>
type Overrides = Partial<Omit<AnyDiagnostic, 'measure'>> & { measure?: Measure }

/** One tool, whose output is the report; it finds TEST_BAD where that says "bad". */
export function lookup ({ measure, ...overrides }: Overrides = {}): AnyDiagnostic {
  const diagnostic = defineDiagnostic({
    ...common,
    name: 'lookup',
    async measure (_params, probe) { return { stdout: (await probe.run(['dig', 'web'])).stdout } },
    judge: report => 'stdout' in report && String(report.stdout).includes('bad') ? [{ code: 'TEST_BAD', message: 'It said so', evidence: [{ run: 0, line: 1 }] }] : []
  })
  return { ...diagnostic, ...overrides, ...measure && { measure: (_params, probe) => measure(probe) } }
}

export const captureOptions: CaptureOptions = {
  kind: 'pcap',
  contentType: 'application/vnd.tcpdump.pcap',
  stopAfterSeconds: 600,
  maxBytes: 1 << 30,
  drainSeconds: 0,
  listening: /listening/,
  check: { push () {}, end: () => null }
}

/** One stream, meant to be stopped, that must not run twice. */
export function capture (options: Partial<CaptureOptions> = {}, overrides: Overrides = {}): AnyDiagnostic {
  const measure: Measure = async probe => {
    const { artifactId, sizeBytes, sha256, endCause } = await probe.capture(['tcpdump'], { ...captureOptions, ...options })
    return { artifactId, sizeBytes, sha256, endCause }
  }
  return lookup({ name: 'capture', right: 'captures', payload: true, retrySafe: false, profiles: ['netraw', 'defaultcaps'], measure, ...overrides })
}

export const request = (rest: Partial<JobRequest> = {}): JobRequest =>
  ({ diagnostic: 'lookup', target: { namespace: 'shop', pod: 'web' }, ...rest })

/** The whole engine on ports in memory, with a worker that runs until the test ends. */
export function drive (t: Test, { diagnostics = [lookup(), capture()], policy = {}, works = true }: {
  diagnostics?: AnyDiagnostic[], policy?: Partial<Policy>, works?: boolean
} = {}) {
  const ports = createFakePorts(new Map(diagnostics.map(diagnostic => [diagnostic.name, diagnostic])), policy)
  const useCases = createUseCases(ports.context)
  const worker = createWorker(ports.context)
  const ready = works ? worker.start() : Promise.resolve()
  t.teardown(async () => {
    await ready
    await worker.stop(0)
  })
  const never = new AbortController().signal

  async function launch (rest: Partial<JobRequest> = {}): Promise<Job> {
    await ready
    return (await useCases.submit(caller, request(rest), { idempotencyKey: null })).job
  }

  async function final (id: string, seconds = 10): Promise<Job & { pod: JobPod }> {
    const job = await useCases.wait(caller, id, { seconds, signal: never })
    if (!isFinal(job.state)) throw new Error(`The job is still ${job.state} after ${seconds} s`)
    return { ...job, pod: job.pods.items[0]! }
  }

  /** Fulfilled by the first event that fits. */
  async function event (id: string, fits: (event: { type: string, data: Record<string, unknown> }) => boolean): Promise<void> {
    for await (const event of await useCases.events(caller, id, { afterSeq: 0, signal: AbortSignal.timeout(5000) })) if (fits(event)) return
    throw new Error('The event did not come')
  }

  return { ...ports, useCases, worker, launch, final, event, run: async (rest: Partial<JobRequest> = {}) => final((await launch(rest)).id) }
}

import { Type } from 'typebox'
import { defineDiagnostic, type Catalogue } from '#core/diagnostic.ts'
import type { StreamCheck } from '#core/probe.ts'

const argv = Type.Array(Type.String(), { minItems: 1, description: 'Arguments as they are executed' })
const profile = Type.Enum(['restricted', 'netraw', 'defaultcaps'], { default: 'restricted', description: 'Rights of the session' })
const memoryBytes = Type.Optional(Type.Integer({ description: 'Address space of the tool' }))

const common = {
  version: '1',
  symptoms: [],
  profiles: ['restricted'] as const,
  payload: false,
  sharesProcesses: false,
  typicalSeconds: 1,
  examples: [],
  timeoutSecondsFor: () => 60
}

/** Runs whatever argv it is given, so that tests can be nasty; only the image for tests has such tools, only tests have this diagnostic. */
export const testRun = defineDiagnostic({
  ...common,
  name: 'test-run',
  title: 'Any tool',
  summary: 'Run a tool of the image for tests',
  right: 'jobs',
  retrySafe: true,
  params: Type.Object({ argv, profile, memoryBytes, stdin: Type.Optional(Type.String()) }, { additionalProperties: false }),
  report: Type.Object({ stdout: Type.String(), stderr: Type.String(), exitCode: Type.Union([Type.Integer(), Type.Null()]) }),
  findings: { TEST_FAILED: { severity: 'error', title: 'Exit code', meaning: 'The tool said that it failed', remedy: 'None' } },
  profilesFor: params => [params.profile],
  async measure (params, probe) {
    const { stdout, stderr, exitCode } = await probe.run(params.argv, {
      ...(params.memoryBytes === undefined ? {} : { memoryBytes: params.memoryBytes }),
      ...(params.stdin === undefined ? {} : { stdin: params.stdin })
    })
    return { stdout: stdout.slice(0, 4096), stderr: stderr.slice(0, 4096), exitCode }
  },
  judge: ({ exitCode }) => exitCode === 0 ? [] : [{ code: 'TEST_FAILED', message: `Exit code ${exitCode}` }]
})

const anything: StreamCheck = { push () {}, end: () => null }

/** Stores the output of a tool as an artifact, as a capture does. */
export const testCapture = defineDiagnostic({
  ...common,
  name: 'test-capture',
  title: 'Any stream',
  summary: 'Store the output of a tool of the image for tests',
  right: 'captures',
  retrySafe: false,
  params: Type.Object({
    argv,
    profile,
    durationSeconds: Type.Number({ default: 600, description: 'Planned end' }),
    maxBytes: Type.Integer({ default: 4 * 2 ** 30, description: 'Planned size' })
  }, { additionalProperties: false }),
  report: Type.Object({ sizeBytes: Type.Integer(), sha256: Type.String(), stderr: Type.String() }),
  findings: {},
  profilesFor: params => [params.profile],
  timeoutSecondsFor: ({ durationSeconds }) => durationSeconds + 60,
  async measure (params, probe) {
    const { sizeBytes, sha256, stderr } = await probe.capture(params.argv, {
      kind: 'stream',
      contentType: 'application/octet-stream',
      stopAfterSeconds: params.durationSeconds,
      maxBytes: params.maxBytes,
      drainSeconds: 0,
      listening: /listening/,
      check: anything
    })
    return { sizeBytes, sha256, stderr: stderr.slice(0, 4096) }
  },
  judge: () => []
})

export function withTestDiagnostics (catalogue: Catalogue): Catalogue {
  return new Map([...catalogue, [testRun.name, testRun], [testCapture.name, testCapture]])
}

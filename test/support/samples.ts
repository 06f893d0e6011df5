import { Type } from 'typebox'
import type { CapabilitiesView } from '#core/capabilities.ts'
import { defineDiagnostic, type AnyDiagnostic, type Catalogue } from '#core/diagnostic.ts'
import type { Job, JobPod, JobRequest } from '#core/job.ts'
import type { JobEvent } from '#core/ports/storage.ts'
import type { Preflight, PreflightPod } from '#core/preflight.ts'
import type { Principal } from '#core/principal.ts'
import type { Artifact, Run } from '#core/run.ts'
import type { Session } from '#core/session.ts'
import type { PodSummary } from '#core/target.ts'
import { examplePod } from './recorded-probe.ts'

const id = (last: number) => `0199aaaa-0000-7000-8000-${String(last).padStart(12, '0')}`
export const ids = { job: id(1), session: id(2), run: id(3), artifact: id(4), pod: id(5), other: id(6) }
export const sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** `extra` is what reviews need and nobody must ever see. */
export const principal: Principal = {
  username: 'ada', uid: 'u-1', groups: ['system:authenticated'], authMethod: 'kubernetes', actor: null, extra: { 'secret.example/scopes': ['hidden-extra'] }
}

export const run: Run = {
  id: ids.run,
  jobId: ids.job,
  sessionId: ids.session,
  namespace: 'shop',
  pod: 'web-1',
  podUid: 'uid-1',
  attempt: 1,
  diagnostic: 'sample-lookup',
  argv: ['dig', 'web.shop'],
  startedAt: '2026-11-24T08:00:01.000Z',
  endedAt: '2026-11-24T08:00:02.000Z',
  durationMs: 41,
  exitCode: 0,
  signal: null,
  endCause: 'exited',
  completeness: { state: 'complete', reason: null },
  streams: [{ name: 'stdout', receivedBytes: 5_000_000_000, sha256, storedBytes: 5_000_000_000, redactions: 0 }],
  artifacts: [{ id: ids.artifact, kind: 'pcap', sizeBytes: 10, sha256, contentType: 'application/vnd.tcpdump.pcap' }]
}

export const jobPod: JobPod & { id: string } = {
  id: ids.pod,
  namespace: 'shop',
  pod: 'web-1',
  podUid: 'uid-1',
  node: 'node-1',
  owner: { kind: 'Deployment', name: 'web' },
  role: 'source',
  state: 'succeeded',
  verdict: 'fail',
  error: null,
  report: { answers: [{ name: 'web.shop', status: 'no-answer', milliseconds: 12 }], took: 3 },
  snapshot: { podLabels: { app: 'web' }, podIPs: ['10.1.0.5'], images: ['web:1'], restarts: 0, zone: 'zone-1', revision: null },
  session: {
    id: ids.session, ephemeralContainer: 'ephemera-1', targetContainer: 'app', image: 'toolbox', imageDigest: 'sha256:1', profile: 'restricted', reused: false, sharesProcesses: false
  },
  runs: [run]
}

export const job: Job = {
  id: ids.job,
  cluster: 'local',
  diagnostic: 'sample-lookup',
  diagnosticVersion: '1',
  namespace: 'shop',
  target: { namespace: 'shop', pod: 'web-1' },
  params: { names: ['web.shop'] },
  reason: 'INC-1 \u001b[31mred <b>bold</b>',
  labels: { alert: 'CheckoutErrors' },
  priority: 'interactive',
  requestedBy: principal,
  state: 'succeeded',
  verdict: 'fail',
  findings: [{
    code: 'SAMPLE_FAILED', severity: 'error', message: 'No answer', data: { name: 'web.shop' }, pods: ['web-1'], count: 1, diagnostic: 'sample-lookup', evidence: [{ runId: ids.run, line: 3 }], remedy: 'Ask again'
  }],
  error: null,
  deduplicatedFrom: null,
  retryOf: null,
  createdAt: '2026-11-24T08:00:00.000Z',
  startedAt: '2026-11-24T08:00:01.000Z',
  finishedAt: '2026-11-24T08:00:02.000Z',
  url: `/v1/jobs/${ids.job}`,
  podCounts: { matched: 1, selected: 1, pass: 0, warn: 0, fail: 1, inconclusive: 0, notMeasured: 0 },
  pods: { nextCursor: null, items: [jobPod] }
}
export const queued: Job = { ...job, state: 'queued', verdict: null, findings: [], startedAt: null, finishedAt: null }

export const session: Session = {
  id: ids.session,
  namespace: 'shop',
  pod: 'web-1',
  podUid: 'uid-1',
  node: null,
  ephemeralContainer: 'ephemera-1',
  image: 'toolbox',
  imageDigest: 'sha256:1',
  profile: 'restricted',
  purpose: 'diagnostics',
  targetContainer: null,
  sharesProcesses: false,
  state: 'open',
  openedAt: '2026-11-24T08:00:00.000Z',
  openedBy: 'ada',
  lastUsedAt: '2026-11-24T08:00:00.000Z',
  usedBy: ['ada'],
  runCount: 1,
  closedAt: null,
  closedReason: null
}

export const artifact: Artifact = {
  id: ids.artifact,
  runId: ids.run,
  jobId: ids.job,
  namespace: 'shop',
  pod: 'web-1',
  podUid: 'uid-1',
  kind: 'pcap',
  contentType: 'application/vnd.tcpdump.pcap',
  state: 'sealed',
  sizeBytes: 10,
  sha256,
  completeness: { state: 'complete', reason: null },
  createdAt: '2026-11-24T08:00:00.000Z',
  sealedAt: '2026-11-24T08:00:02.000Z'
}

export const podSummary: PodSummary = examplePod({
  name: 'web-1',
  uid: 'uid-1',
  owner: { kind: 'Deployment', name: 'web' },
  labels: { app: 'web' },
  annotations: { 'internal.example/note': 'hidden-annotation' },
  podIPs: ['10.1.0.5'],
  containers: [{ name: 'app', image: 'web:1', ports: [{ name: 'http', port: 8080, protocol: 'TCP' }], running: true, memoryLimitBytes: 1 }],
  pullSecrets: ['hidden-pull-secret']
})

export const capabilities: CapabilitiesView = {
  cluster: 'local',
  version: 'v1.34.4',
  ephemeralContainers: true,
  ephemeralContainersStage: 'stable',
  ephemeralContainersMeaning: 'Part of this version',
  minimumVersion: 'v1.25',
  images: [{ name: 'toolbox', reference: 'ephemera/toolbox@sha256:1', registry: 'docker.io' }],
  imagePull: 'With the secrets of the pod',
  account: { namespaces: 2, missingRights: ['get batch/jobs'], unread: [] },
  diagnostics: [{ name: 'sample-lookup', missingRights: ['get pods/exec (in 1 of 2 namespaces)'] }],
  podSecurity: { levels: [{ level: 'restricted', namespaces: 3 }], unread: [] },
  admission: { policies: [{ kind: 'ValidatingAdmissionPolicy', name: 'cage', bindings: ['cage-all'] }], unread: ['Cannot list webhooks'] },
  cni: { names: ['Cilium'], signs: ['Cilium: group cilium.io in the API'], unread: [] },
  landlock: { nodes: 1, unconfined: 0, version: 6, meaning: 'Confined' },
  warnings: ['One']
}

export const preflightPod: PreflightPod = {
  namespace: 'shop',
  pod: 'web-1',
  podUid: 'uid-1',
  node: null,
  targetContainer: 'app',
  profile: 'restricted',
  container: null,
  reused: false,
  sessionId: null,
  containers: [{ name: 'ephemera-1', image: 'toolbox', running: false, exitReason: 'Completed' }],
  budget: { used: 1, max: 10, left: 9 },
  refusedProfiles: [{ profile: 'netraw', code: 'EPH_POD_SECURITY', message: 'It is refused' }],
  memory: { nodeLeftBytes: 5_000_000_000, podLimitBytes: null, unread: null },
  warnings: [],
  error: null
}
export const preflight: Preflight = { matched: 7, rule: 'the named pod', deduplicatedFrom: null, pods: [preflightPod] }

export const quotas = { runningPods: 10, runningPodsInNamespace: 20, queuedPods: 2000, queuedPodsLeft: 1998 }

export const events: JobEvent[] = ['job', 'pod', 'run', 'end'].map((type, index) =>
  ({ seq: index + 1, type, data: { text: 'two\nlines', state: 'running' }, at: '2026-11-24T08:00:00.000Z' }))

export const launch: JobRequest = { diagnostic: 'sample-lookup', target: { namespace: 'shop', pod: 'web-1' }, params: { names: ['web.shop'] } }

/** Small, but with every kind of schema that diagnostics use. */
export const sampleLookup = defineDiagnostic({
  name: 'sample-lookup',
  version: '1',
  title: 'Sample lookup',
  summary: 'Look a name up',
  symptoms: ['names do not resolve'],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 1,
  examples: [{ title: 'A name', params: { names: ['web'], server: { address: '10.96.0.10' } } }],
  params: Type.Object({
    names: Type.Array(Type.String({ pattern: '^[a-z][a-z0-9.-]{0,252}$', description: 'A name' }), { minItems: 1, maxItems: 5, description: 'Names to resolve' }),
    types: Type.Optional(Type.Array(Type.Enum(['A', 'AAAA'], { description: 'A type' }), { default: ['A'], description: 'Record types' })),
    server: Type.Optional(Type.Object({
      address: Type.String({ description: 'Address of the server' }),
      port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, default: 53, description: 'Port of the server' }))
    }, { additionalProperties: false, description: 'Server to ask' }))
  }, { additionalProperties: false }),
  report: Type.Object({
    answers: Type.Array(Type.Object({
      name: Type.String({ description: 'Name asked for' }),
      status: Type.Enum(['ok', 'no-answer'], { description: 'What came back' }),
      milliseconds: Type.Number({ description: 'Time until the answer' })
    }), { description: 'What came back for each name' }),
    took: Type.Integer({ description: 'Milliseconds in all' })
  }),
  findings: { SAMPLE_FAILED: { severity: 'error', title: 'No answer', meaning: 'Nobody answered', remedy: 'Ask again' } },
  timeoutSecondsFor: () => 30,
  async measure () { return { answers: [], took: 0 } },
  judge: () => []
})

/** No parameter at all, and no field in its report. */
export const sampleEmpty: AnyDiagnostic = {
  ...sampleLookup,
  name: 'sample-empty',
  examples: [],
  params: Type.Object({}, { additionalProperties: false }),
  report: Type.Object({}),
  findings: {}
}

export const sampleCatalogue: Catalogue = new Map([sampleLookup, sampleEmpty].map(diagnostic => [diagnostic.name, diagnostic]))

import { randomUUID } from 'node:crypto'
import { nameless, type AddressNames } from '#core/address.ts'
import type { AnyDiagnostic, Catalogue } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { EndpointSummary, NetworkPolicySummary, ServiceSummary } from '#core/objects.ts'
import type { CaptureOutput, ObjectReader, Probe, ToolOutput } from '#core/probe.ts'
import { rightOf, type Reading } from '#core/reading.ts'
import type { ResolverFile } from '#core/resolver-files.ts'
import type { PodSummary } from '#core/target.ts'
import type { Measurement } from '#jobs/measurement.ts'
import { takeStep } from '#jobs/take-step.ts'

export type RecordedRun = Partial<ToolOutput>
export interface RecordedCapture extends Partial<CaptureOutput> { stream: Uint8Array }

/** A pod as preflight reads it; only what a test cares about has to be said. */
export const examplePod = (rest: Partial<PodSummary> = {}): PodSummary => ({
  namespace: 'shop',
  name: 'web',
  uid: '0199c0de-0000-4000-8000-000000000001',
  node: 'node-1',
  zone: null,
  phase: 'Running',
  ready: true,
  deleting: false,
  static: false,
  hostNetwork: false,
  hostPID: false,
  shareProcessNamespace: false,
  os: 'linux',
  owner: null,
  revision: null,
  labels: {},
  annotations: {},
  podIPs: ['10.244.0.6'],
  dnsPolicy: 'ClusterFirst',
  dnsConfig: null,
  containers: [],
  sidecars: [],
  ephemeral: [],
  restarts: 0,
  memoryLimitBytes: null,
  pullSecrets: [],
  ...rest
})

export const exampleService = (rest: Partial<ServiceSummary> = {}): ServiceSummary => ({
  namespace: 'shop',
  name: 'orders',
  type: 'ClusterIP',
  clusterIPs: ['10.96.0.20'],
  headless: false,
  externalName: null,
  selector: { app: 'orders' },
  ports: [{ name: null, port: 8080, protocol: 'TCP', targetPort: 8080, nodePort: null }],
  publishNotReadyAddresses: false,
  ...rest
})

/** What a recorded probe knows beside the output of tools. */
export interface RecordedWorld {
  pod?: PodSummary
  /** The pod's resolver files; what is not here does not exist. */
  files?: Partial<Record<ResolverFile, string>>
  pods?: PodSummary[]
  services?: ServiceSummary[]
  /** By namespace/service. */
  endpoints?: Record<string, EndpointSummary[]>
  policies?: NetworkPolicySummary[]
  /** Reads that answer otherwise, as where a text decides what is asked for. */
  objects?: Partial<ObjectReader>
  /** What the caller may not read, as "list networkpolicies shop". */
  denied?: string[]
  names?: Record<string, Partial<AddressNames>>
  /** The diagnostic that is measured, and the catalogue its steps are taken from. */
  diagnostic?: AnyDiagnostic
  catalogue?: Catalogue
}

const hasLabels = (pod: PodSummary, labels: Record<string, string>) =>
  Object.entries(labels).every(([key, value]) => pod.labels[key] === value)

function recordedObjects ({ pods = [], services = [], endpoints = {}, policies = [], denied = [] }: RecordedWorld): ObjectReader {
  const may = (reading: Reading) => {
    const { verb, resource, namespace } = rightOf(reading)
    return !denied.includes(`${verb} ${resource} ${namespace}`)
  }
  const demand = (kind: Reading['kind'], namespace: string) => {
    if (!may({ kind, namespace })) throw new Problem('EPH_FORBIDDEN', `Cannot read ${kind} in namespace "${namespace}"`)
  }
  const named = <T extends { namespace: string, name: string }>(objects: T[], namespace: string, name: string): T | null =>
    objects.find(object => object.namespace === namespace && object.name === name) ?? null
  return {
    may: async reading => may(reading),
    async pod (namespace, name) { demand('pod', namespace); return named(pods, namespace, name) },
    async pods (namespace, labels) { demand('pods', namespace); return pods.filter(pod => pod.namespace === namespace && hasLabels(pod, labels)) },
    async service (namespace, name) { demand('service', namespace); return named(services, namespace, name) },
    async endpoints (namespace, service) { demand('endpointSlices', namespace); return endpoints[`${namespace}/${service}`] ?? [] },
    async networkPolicies (namespace) { demand('networkPolicies', namespace); return policies.filter(policy => policy.namespace === namespace) }
  }
}

/**
 * A probe that answers each call with the next recording, and keeps what it was asked. As in the real one, a capture whose check finds
 * something missing ends the measurement, and steps are other diagnostics on the same recordings.
 */
export function recordedProbe (recordings: (RecordedRun | RecordedCapture)[], world: RecordedWorld = {}) {
  const left = [...recordings]
  const argvs: string[][] = []
  const kept: Record<string, unknown>[] = []
  const { pod = examplePod(), files = {}, names = {}, diagnostic, catalogue = new Map() } = world
  function next<T> (argv: string[]): T {
    argvs.push(argv)
    const recording = left.shift()
    if (!recording) throw new Error(`Nothing is recorded for ${argv.join(' ')}`)
    return recording as T
  }
  const createProbe = (measurement: Measurement): Probe => {
    const count = (argv: string[]) => measurement.runIds.push(argv.join(' ')) - 1
    return {
      pod,
      targetContainer: 'app',
      objects: { ...recordedObjects(world), ...world.objects },
      async run (argv) {
        const run = count(argv)
        return { stdout: '', stderr: '', exitCode: 0, endCause: 'exited', durationMs: 5, ...next<RecordedRun>(argv), run }
      },
      async readFile (name) {
        argvs.push(['read', name])
        return { text: files[name] ?? null, run: count(['read', name]) }
      },
      nameAddresses: async ips => ips.map(ip => ({ ...nameless, ...names[ip] })),
      step: (name, params) => takeStep(measurement, { name, params, createProbe }),
      async capture (argv, { check }) {
        const run = count(argv)
        const { stream, stderr = '', ...rest } = next<RecordedCapture>(argv)
        check.push(stream)
        const wrong = check.end(stderr)
        if (wrong !== null) throw new Error(wrong)
        return {
          stderr,
          exitCode: 0,
          endCause: 'finished',
          durationMs: 11_200,
          artifactId: randomUUID(),
          sizeBytes: stream.length,
          sha256: '',
          reachedMaxBytes: false,
          ...rest,
          run
        }
      },
      keep (report) {
        measurement.kept = report
        kept.push(structuredClone(report))
      }
    }
  }
  // All that a step asks of its surroundings.
  const measurement = { catalogue, diagnostic, acquired: { session: { profile: 'restricted' } }, runIds: [], kept: null } as unknown as Measurement
  return { probe: createProbe(measurement), argvs, kept, left }
}

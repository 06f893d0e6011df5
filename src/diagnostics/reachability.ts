import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import { secondsPerQuestion } from '#analysis/ask-dns.ts'
import { secondsToCheck } from '#analysis/check-by-ping.ts'
import { secondsToFindMtu } from '#analysis/path-mtu.ts'
import { findPolicies, PoliciesAround } from '#analysis/policies-around.ts'
import { secondsToSample } from '#analysis/take-samples.ts'
import type { NamedObject } from '#core/address.ts'
import { aimErrors, Destination, Family, placeReadings } from '#core/destination.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import { severities, verdictOf, verdicts, type JudgedFinding } from '#core/finding.ts'
import type { Probe } from '#core/probe.ts'
import type { Reading } from '#core/reading.ts'
import { OrNull } from '#core/schema.ts'

const layers = ['dns', 'service', 'policy', 'path', 'port', 'tls', 'http', 'none'] as const
type Layer = typeof layers[number]

const Found = Type.Object({
  code: Type.String({ description: 'Code of the finding' }),
  severity: Type.Enum(severities, { description: 'As that diagnostic defines it' }),
  message: Type.String({ description: 'What was found, for people' }),
  data: Type.Unknown({ description: 'Facts of this finding' }),
  diagnostic: Type.String({ description: 'Diagnostic that found it' }),
  evidence: Type.Array(Type.Object({
    run: Type.Integer({ minimum: 0, description: 'Which of the pod\'s runs it is, from 0' }),
    line: Type.Optional(Type.Integer({ minimum: 1, description: 'Line of the run\'s standard output, from 1' })),
    packet: Type.Optional(Type.Integer({ minimum: 1, description: 'Number of the packet in the capture, from 1' }))
  }), { description: 'Where it can be seen' })
}, { description: 'Something that a step found' })

const Step = Type.Object({
  diagnostic: Type.String({ description: 'The diagnostic that measured' }),
  verdict: Type.Enum(verdicts, { description: 'What it found' }),
  findings: Type.Array(Found, { description: 'Its findings' }),
  report: Type.Unknown({ description: 'Its report; where that numbers runs, it counts from firstRun' }),
  firstRun: Type.Integer({ minimum: 0, description: 'Its first run among those of the pod, from 0' }),
  runCount: Type.Integer({ minimum: 0, description: 'How many runs it made' })
}, { description: 'One step of the plan' })
type Step = Static<typeof Step>

const Cause = Type.Object({
  layer: Type.Enum(layers, { description: 'Where it fails; none: it does not' }),
  code: OrNull(Type.String({ description: 'Code of the finding that says why; null: there is none' }))
}, { description: 'Why the destination cannot be reached' })

/** Codes begin with their subject; where that is not the layer, it stands here. */
const layersOfCodes: Record<string, Layer> = { TCP_REFUSED: 'port', TCP_RESET: 'port', TCP_NAME_UNRESOLVED: 'dns' }
const layersOfSubjects: Record<string, Layer> = { DNS: 'dns', SERVICE: 'service', POLICY: 'policy', TCP: 'path', PATH: 'path', TLS: 'tls', HTTP: 'http' }
const layerOf = (code: string): Layer => layersOfCodes[code] ?? layersOfSubjects[code.split('_')[0]!] ?? 'path'

/** It says that, not why: the next step tells. */
const goesOn = new Set(['SERVICE_ENDPOINTS_FAILED'])
const decides = ({ code, severity }: Pick<JudgedFinding, 'code' | 'severity'>) => severity === 'error' && !goesOn.has(code)

/** The error that decides, else the last that was found; else what the last step could not tell; else what was not as it should be. */
function causeOf (steps: Step[]): Static<typeof Cause> {
  const found = steps.flatMap(({ findings }) => findings)
  const cause = found.find(decides) ?? found.findLast(({ severity }) => severity === 'error') ??
    steps.at(-1)?.findings.find(({ severity }) => severity === 'unknown') ?? found.find(({ severity }) => severity === 'warning')
  return cause ? { layer: layerOf(cause.code), code: cause.code } : { layer: 'none', code: null }
}

/** Pods around which policies are looked for. */
const mostPeers = 10

/** Of a path on which nothing seems to be lost, and of one that ends: there one sample says where. */
const traceSamples = { whole: 5, lost: 1 }
const [maxHops, hopSeconds] = [16, 1]
const secondsToTrace =
  traceSamples.whole * secondsToSample(maxHops, hopSeconds) + secondsToCheck(hopSeconds) + secondsToFindMtu(maxHops, hopSeconds)

interface Question {
  destination: Destination
  family: number | undefined
  waitSeconds: number
  tracePath: boolean
  probe: Probe
  steps: Step[]
  cause: Static<typeof Cause>
}
type Params = Record<string, unknown>

interface PlannedStep {
  diagnostic: string
  /** null: the step has nothing to say of this destination. */
  paramsFor (question: Question): Promise<Params | null>
  /** A cause that this step says more of; with any other that decides the plan ends before it. */
  explains?: string
}

/** In this order. */
const plan: PlannedStep[] = [
  {
    diagnostic: 'dns-lookup',
    async paramsFor ({ destination: { host }, family, probe }) {
      if (host === undefined || isIP(host) !== 0) return null
      // A pod without addresses of a family has no use for those of others.
      const families = family === undefined ? new Set(probe.pod.podIPs.map(isIP)) : new Set([family])
      const types = [...families.has(4) ? ['A'] : [], ...families.has(6) ? ['AAAA'] : []]
      return { names: [host], types: types.length > 0 ? types : ['A', 'AAAA'] }
    }
  },
  {
    diagnostic: 'service-check',
    async paramsFor (question) {
      const { destination: { port }, family, waitSeconds } = question
      const service = await serviceBehind(question)
      return service && { service, port, waitSeconds, ...family === undefined ? {} : { family } }
    }
  },
  {
    diagnostic: 'tcp-connect',
    async paramsFor ({ destination, family, waitSeconds }) {
      return { destinations: [destination], waitSeconds, ...family === undefined ? {} : { family } }
    }
  },
  {
    diagnostic: 'path-trace',
    explains: 'TCP_TIMEOUT',
    async paramsFor ({ destination: { port, ...place }, family, tracePath, steps, cause: { code } }) {
      const isLost = code === 'TCP_TIMEOUT'
      // The address of a Service has no path of its own.
      if (!(isLost || code === 'TCP_SLOW' || tracePath) || steps.some(({ diagnostic }) => diagnostic === 'service-check')) return null
      const samples = isLost ? traceSamples.lost : traceSamples.whole
      const options = { samples, maxHops, waitSeconds: hopSeconds, measureMtu: !isLost }
      return { destination: place, ...options, ...family === undefined ? {} : { family } }
    }
  }
]

const serviceReadings = (namespace: string, name: string): Reading[] =>
  [{ kind: 'service', namespace, name }, { kind: 'endpointSlices', namespace, name }, { kind: 'pods', namespace }]

/** The Service that the destination names, or that its name or address stands for, where the caller may read it. */
async function serviceBehind ({ destination: { host, service }, probe, steps }: Question): Promise<NamedObject | null> {
  if (service) return service
  if (host === undefined) return null
  const behind = isIP(host) === 0 ? serviceNamedBy(steps[0]) : (await probe.nameAddresses([host]))[0]?.service
  if (!behind) return null
  const { namespace, name } = behind
  for (const reading of serviceReadings(namespace, name)) if (!await probe.objects.may(reading)) return null
  return await probe.objects.service(namespace, name) ? behind : null
}

/** <Service>.<namespace>.svc.<domain of the cluster>, as the search list has completed it. */
function serviceNamedBy (lookup: Step | undefined): NamedObject | null {
  const { queries = [] } = lookup?.report as { queries?: { question: string | null }[] } ?? {}
  for (const { question } of queries) {
    const [, name, namespace] = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc\./i.exec(question ?? '') ?? []
    if (name && namespace) return { namespace: namespace.toLowerCase(), name: name.toLowerCase() }
  }
  return null
}

/** Pods that were connected to, wherever the reports of steps name them. */
function peersIn (value: unknown, peers = new Map<string, NamedObject>()) {
  if (typeof value !== 'object' || value === null) return peers
  if ('outcome' in value && 'pod' in value && value.pod) {
    const { namespace, name } = value.pod as NamedObject
    peers.set(`${namespace}/${name}`, { namespace, name })
  }
  for (const part of Object.values(value)) peersIn(part, peers)
  return peers
}

export default defineDiagnostic({
  name: 'reachability',
  version: '1',
  title: 'Reachability',
  summary: 'Says why a destination cannot be reached from inside the pod: name, Service, path or port, step by step until the cause is clear',
  symptoms: ['why can\'t it connect', 'connection refused', 'connection timed out', 'no such host', 'no endpoints', 'upstream unavailable'],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 0.8,
  examples: [
    { title: 'A Service by the name that the application uses', params: { destination: { host: 'orders.shop', port: 8080 } } },
    { title: 'A Service, whatever its name is', params: { destination: { service: { namespace: 'shop', name: 'orders' }, port: 8080 } } },
    { title: 'Something outside of the cluster', params: { destination: { host: 'example.com.', port: 443 } } }
  ],
  params: Type.Object({
    destination: Destination,
    family: Family,
    waitSeconds: Type.Integer({ minimum: 1, maximum: 10, default: 2, description: 'How long an address may take to answer' }),
    tracePath: Type.Boolean({
      default: false,
      description: 'Whether to trace the path to a destination that answers, too, for loss and packet size: some seconds more. To a host or pod that ' +
        'does not answer it is traced in any case'
    })
  }, { additionalProperties: false }),
  contradictions: ({ destination, family }) => aimErrors(destination, '/params/destination', family),
  reads: ({ destination }) => destination.service
    ? serviceReadings(destination.service.namespace, destination.service.name)
    : placeReadings(destination),
  steps: plan.map(({ diagnostic }) => diagnostic),
  report: Type.Object({
    steps: Type.Array(Step, { description: 'What was measured, in this order; it ends where the cause is clear' }),
    cause: Cause,
    policies: OrNull(PoliciesAround)
  }),
  findings: {},
  timeoutSecondsFor: ({ waitSeconds }) => Math.ceil(20 + 4 * secondsPerQuestion + 20 * (waitSeconds + 1) + secondsToTrace),

  async measure (question, probe) {
    const { destination } = question
    const report: { steps: Step[], cause: Static<typeof Cause>, policies: PoliciesAround | null } =
      { steps: [], cause: { layer: 'none', code: null }, policies: null }
    for (const { diagnostic, paramsFor, explains } of plan) {
      if (report.steps.at(-1)?.findings.some(decides) && report.cause.code !== explains) break
      const params = await paramsFor({ ...question, family: question.family, probe, ...report })
      if (params === null) continue
      const { findings, problem, ...rest } = await probe.step(diagnostic, params)
      report.steps.push({ diagnostic, verdict: verdictOf(findings), findings, ...rest })
      report.cause = causeOf(report.steps)
      probe.keep(report)
      if (problem) throw problem
    }
    // Policies drop, or reject: until they are judged, that they are there is what can be said.
    if (['path', 'port'].includes(report.cause.layer)) {
      const { pod } = destination
      const peers = peersIn(report.steps, new Map(pod ? [[`${pod.namespace}/${pod.name}`, pod]] : []))
      report.policies = await findPolicies(probe.objects, probe.pod, [...peers.values()].slice(0, mostPeers))
    }
    return report
  },

  judge: ({ steps, cause, policies }) => steps.flatMap(({ findings }) => findings).map(finding => {
    const data = finding.data as Record<string, unknown>
    return { ...finding, data: policies && finding.code === cause.code ? { ...data, policies } : data } as JudgedFinding
  })
})

import { Type, type Static } from 'typebox'
import { Problem } from './errors.ts'
import { ContainerName, dnsSubdomain, Namespace, ObjectName, OrNull, withoutControls } from './schema.ts'

export const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job'] as const
/** A workload in one word, as Deployment/web. */
export const workloadPattern = `^(?:${workloadKinds.join('|')})/${dnsSubdomain.slice(1)}`

/** What a caller may aim at: exactly one of pod, workload, service, labelSelector (`checkTarget`; no union, as GraphQL has none). */
export const Target = Type.Object({
  namespace: Namespace,
  pod: Type.Optional(ObjectName),
  workload: Type.Optional(Type.Object({
    kind: Type.Enum(workloadKinds, { description: 'Kind of the workload' }),
    name: ObjectName
  }, { additionalProperties: false, description: 'The pods of a workload' })),
  service: Type.Optional(ObjectName),
  labelSelector: Type.Optional(Type.String({ minLength: 1, maxLength: 1024, pattern: withoutControls, description: 'Pods by label, in Kubernetes syntax' })),
  targetContainer: Type.Optional(ContainerName),
  maxPods: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 3, description: 'At most this many pods are measured' }))
}, { additionalProperties: false, description: 'What to look into: one of pod, workload, service, labelSelector' })
export type Target = Static<typeof Target>

export interface ContainerSummary {
  name: string
  image: string
  ports: { name: string | null, port: number, protocol: string }[]
  running: boolean
  memoryLimitBytes: number | null
}

export interface EphemeralSummary {
  name: string
  image: string
  running: boolean
  /** Set once it has ended. */
  exitReason: string | null
}

/** Refuses a target that names none or several of its four ways. */
export function checkTarget (target: Target): void {
  const ways = (['pod', 'workload', 'service', 'labelSelector'] as const).filter(way => target[way] !== undefined)
  if (ways.length === 1) return
  throw new Problem('EPH_INVALID_REQUEST', `Cannot tell the target: it names ${ways.join(' and ') || 'no pod'}`, {
    errors: [{ pointer: '/target', detail: 'Name exactly one of pod, workload, service, labelSelector' }]
  })
}

/** A pod as it was read from the API server; a target is always pinned to `uid`. */
export interface PodSummary {
  namespace: string
  name: string
  uid: string
  node: string | null
  zone: string | null
  phase: string
  ready: boolean
  deleting: boolean
  /** Mirror pods of static pods. */
  static: boolean
  hostNetwork: boolean
  hostPID: boolean
  shareProcessNamespace: boolean
  os: string
  owner: { kind: string, name: string } | null
  /** pod-template-hash or controller-revision-hash: tells two revisions of a workload apart. */
  revision: string | null
  labels: Record<string, string>
  annotations: Record<string, string>
  podIPs: string[]
  /** What its resolver file is made of; with hostNetwork, ClusterFirst means Default. */
  dnsPolicy: string
  dnsConfig: { nameservers: string[], searches: string[], options: string[] } | null
  containers: ContainerSummary[]
  /** Names of init containers that go on running beside the others. */
  sidecars: string[]
  ephemeral: EphemeralSummary[]
  restarts: number
  /** What the pod may use in all, tools of ours included: set for it as a whole, or for each of its containers; null: no bound. */
  memoryLimitBytes: number | null
  /** Registries that the pod's own pull secrets are not known to cover are only warned about. */
  pullSecrets: string[]
}

export const PodSnapshot = Type.Object({
  podLabels: Type.Record(Type.String(), Type.String(), { description: 'Labels of the pod when it was measured' }),
  podIPs: Type.Array(Type.String(), { description: 'Addresses of the pod' }),
  images: Type.Array(Type.String(), { description: 'Images of its containers' }),
  restarts: Type.Integer({ description: 'Restarts of its containers so far' }),
  zone: OrNull(Type.String({ description: 'Zone of its node; null: the node has no label that says it, or our account may not read nodes' })),
  revision: OrNull(Type.String({ description: 'Revision of its workload, as a rollout labels its pods' }))
}, { description: 'The pod as it was when it was measured' })
export type PodSnapshot = Static<typeof PodSnapshot>

export const snapshotOf = ({ labels, podIPs, containers, restarts, zone, revision }: PodSummary): PodSnapshot =>
  ({ podLabels: labels, podIPs, images: containers.map(({ image }) => image), restarts, zone, revision })

/** The owner's word on a pod or namespace: `deny` all, no payload (`noPayload`), or `all`. */
export const ownerAnnotation = 'ephemera.dev/diagnostics'

/** Prefix of every container of ours; 32 hex digits of the session's UUID follow. */
export const containerPrefix = 'ephemera-'
export const containerNameOf = (sessionId: string): string => containerPrefix + sessionId.replaceAll('-', '')
export const isOurs = (containerName: string): boolean => /^ephemera-[0-9a-f]{32}$/.test(containerName)

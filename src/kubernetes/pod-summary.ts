import type { V1Container, V1ContainerStatus, V1Pod, V1PodDNSConfig } from '@kubernetes/client-node'
import type { ContainerSummary, EphemeralSummary, PodSummary } from '#core/target.ts'
import { parseQuantity } from './quantity.ts'

/** A pod of the API server in our words. Pure. `zone` is known here only where the cluster copies it onto the pod. */
export function summarizePod (pod: V1Pod): PodSummary {
  const { metadata, spec, status } = pod
  const labels = metadata?.labels ?? {}
  const annotations = metadata?.annotations ?? {}
  const statuses = status?.containerStatuses ?? []
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    node: spec?.nodeName ?? null,
    zone: labels['topology.kubernetes.io/zone'] ?? null,
    phase: status?.phase ?? 'Unknown',
    ready: status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    deleting: metadata?.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null,
    static: 'kubernetes.io/config.mirror' in annotations,
    hostNetwork: spec?.hostNetwork ?? false,
    hostPID: spec?.hostPID ?? false,
    shareProcessNamespace: spec?.shareProcessNamespace ?? false,
    os: spec?.os?.name ?? spec?.nodeSelector?.['kubernetes.io/os'] ?? 'linux',
    owner: ownerOf(pod),
    revision: labels['pod-template-hash'] ?? labels['controller-revision-hash'] ?? null,
    labels,
    annotations,
    podIPs: status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []),
    dnsPolicy: spec?.dnsPolicy ?? 'ClusterFirst',
    dnsConfig: summarizeDnsConfig(spec?.dnsConfig),
    containers: spec?.containers.map(container => summarizeContainer(container, statuses)) ?? [],
    sidecars: spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name) ?? [],
    ephemeral: summarizeEphemeral(pod),
    memoryLimitBytes: memoryLimitOf(pod),
    restarts: statuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    pullSecrets: spec?.imagePullSecrets?.flatMap(({ name }) => name ?? []) ?? []
  }
}

function summarizeDnsConfig (config: V1PodDNSConfig | undefined): PodSummary['dnsConfig'] {
  if (!config) return null
  const { nameservers = [], searches = [], options = [] } = config
  return { nameservers, searches, options: options.map(({ name = '', value }) => value === undefined ? name : `${name}:${value}`) }
}

/** The kubelet bounds the pod as a whole where that is asked for, or where each of its containers that stay has a bound. */
function memoryLimitOf ({ spec }: V1Pod): number | null {
  const whole = parseQuantity(spec?.resources?.limits?.memory)
  if (whole !== null) return whole
  const staying = [...spec?.containers ?? [], ...spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? []]
  const limits = staying.map(({ resources }) => parseQuantity(resources?.limits?.memory))
  return limits.length > 0 && limits.every(bytes => bytes !== null) ? limits.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0) : null
}

function summarizeContainer ({ name, image, ports, resources }: V1Container, statuses: V1ContainerStatus[]): ContainerSummary {
  return {
    name,
    image: image ?? '',
    ports: ports?.map(port => ({ name: port.name ?? null, port: port.containerPort, protocol: port.protocol ?? 'TCP' })) ?? [],
    running: Boolean(statuses.find(status => status.name === name)?.state?.running),
    memoryLimitBytes: parseQuantity(resources?.limits?.memory)
  }
}

function summarizeEphemeral ({ spec, status }: V1Pod): EphemeralSummary[] {
  return spec?.ephemeralContainers?.map(({ name, image }) => {
    const state = status?.ephemeralContainerStatuses?.find(status => status.name === name)?.state
    const ended = state?.terminated
    return {
      name,
      image: image ?? '',
      running: Boolean(state?.running),
      exitReason: ended ? ended.reason ?? `exit code ${ended.exitCode}` : null
    }
  }) ?? []
}

function ownerOf ({ metadata }: V1Pod): PodSummary['owner'] {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return null
  // A Deployment names its ReplicaSets <name>-<pod-template-hash> and is alone in setting that label: so no second object must be read.
  const suffix = `-${metadata?.labels?.['pod-template-hash'] ?? ''}`
  return owner.kind === 'ReplicaSet' && suffix !== '-' && owner.name.endsWith(suffix)
    ? { kind: 'Deployment', name: owner.name.slice(0, -suffix.length) }
    : { kind: owner.kind, name: owner.name }
}

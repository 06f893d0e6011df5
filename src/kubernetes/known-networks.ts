import type { V1Node } from '@kubernetes/client-node'

interface Signs {
  /** Groups of custom resources. */
  groups?: string[]
  /** What keys of annotations of a node begin with. */
  annotations?: string[]
  /** Reason of a node's condition NetworkUnavailable. */
  reason?: string
  /** DaemonSet in kube-system, for those that leave no other sign. */
  daemonSet?: string
}

/** More than one may be there, as where Calico's policies are used on another's network. */
const networks: Record<string, Signs> = {
  Antrea: { groups: ['crd.antrea.io'], annotations: ['node.antrea.io/'] },
  'AWS VPC CNI': { groups: ['crd.k8s.amazonaws.com'], daemonSet: 'aws-node' },
  'Azure CNI': { groups: ['acn.azure.com'], daemonSet: 'azure-cns' },
  Calico: { groups: ['crd.projectcalico.org', 'projectcalico.org'], annotations: ['projectcalico.org/'], reason: 'CalicoIsUp' },
  Cilium: { groups: ['cilium.io'], annotations: ['io.cilium.', 'network.cilium.io/'], reason: 'CiliumIsUp' },
  Flannel: { annotations: ['flannel.alpha.coreos.com/'], reason: 'FlannelIsUp' },
  kindnet: { daemonSet: 'kindnet' },
  'Kube-OVN': { groups: ['kubeovn.io'], annotations: ['ovn.kubernetes.io/'] },
  'kube-router': { annotations: ['kube-router.io/'], daemonSet: 'kube-router' },
  'OVN-Kubernetes': { groups: ['k8s.ovn.org'], annotations: ['k8s.ovn.org/'] },
  'Weave Net': { reason: 'WeaveIsUp', daemonSet: 'weave-net' }
}

export const knownDaemonSets: string[] = Object.values(networks).flatMap(({ daemonSet }) => daemonSet ?? [])

export interface Seen { groups: string[], nodes: V1Node[], daemonSets: string[] }

/** Pure: names of networks, and for each the sign by which it is known. */
export function recognizeNetworks ({ groups, nodes, daemonSets }: Seen): { names: string[], signs: string[] } {
  const keys = [...new Set(nodes.flatMap(({ metadata }) => Object.keys(metadata?.annotations ?? {})))]
  const conditions = nodes.flatMap(({ status }) => status?.conditions ?? []).filter(({ type }) => type === 'NetworkUnavailable')
  const signOf = (known: Signs): string | null => {
    const group = groups.find(group => known.groups?.includes(group))
    if (group !== undefined) return `group ${group} in the API`
    const annotation = keys.find(key => known.annotations?.some(prefix => key.startsWith(prefix)))
    if (annotation !== undefined) return `annotation ${annotation} of a node`
    if (known.reason !== undefined && conditions.some(({ reason }) => reason === known.reason)) return `condition ${known.reason} of a node`
    return known.daemonSet !== undefined && daemonSets.includes(known.daemonSet) ? `DaemonSet ${known.daemonSet}` : null
  }
  const found = Object.entries(networks).flatMap(([name, known]) => {
    const sign = signOf(known)
    return sign === null ? [] : [{ name, sign }]
  })
  return { names: found.map(({ name }) => name), signs: found.map(({ name, sign }) => `${name}: ${sign}`) }
}

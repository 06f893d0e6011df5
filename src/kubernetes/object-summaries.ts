import type { V1EndpointSlice, V1LabelSelector, V1NetworkPolicy, V1Service } from '@kubernetes/client-node'
import type { EndpointSummary, LabelSelector, NetworkPolicySummary, ServiceSummary } from '#core/objects.ts'

/** A Service of the API server in our words. Pure. */
export function summarizeService ({ metadata, spec }: V1Service): ServiceSummary {
  const { clusterIP, clusterIPs = clusterIP ? [clusterIP] : [], selector } = spec ?? {}
  const type = spec?.type ?? 'ClusterIP'
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    type,
    clusterIPs: clusterIPs.filter(ip => ip !== 'None' && ip !== ''),
    headless: type !== 'ExternalName' && clusterIPs.includes('None'),
    externalName: type === 'ExternalName' ? spec?.externalName ?? null : null,
    selector: selector && Object.keys(selector).length > 0 ? selector : null,
    ports: spec?.ports?.map(({ name, port, protocol, targetPort, nodePort }) => ({
      name: name ?? null, port, protocol: protocol ?? 'TCP', targetPort: targetPort ?? port, nodePort: nodePort ?? null
    })) ?? [],
    publishNotReadyAddresses: spec?.publishNotReadyAddresses ?? false
  }
}

/** The addresses of a slice; of one that holds names, none. Pure. */
export function summarizeEndpoints ({ metadata, addressType, endpoints, ports }: V1EndpointSlice): EndpointSummary[] {
  if (addressType === 'FQDN') return []
  const of = metadata?.namespace ?? ''
  const served = ports?.flatMap(({ name, port, protocol }) => port === undefined ? [] : [{ name: name || null, port, protocol: protocol ?? 'TCP' }]) ?? []
  return endpoints?.flatMap(({ addresses, conditions, targetRef, nodeName }) => addresses.map(ip => ({
    ip,
    ready: conditions?.ready ?? true,
    terminating: conditions?.terminating ?? false,
    pod: targetRef?.kind === 'Pod' && targetRef.name ? { namespace: targetRef.namespace ?? of, name: targetRef.name } : null,
    node: nodeName ?? null,
    ports: served
  }))) ?? []
}

/** A NetworkPolicy by whom it selects and what it is about; not by what it allows. Pure. */
export function summarizePolicy ({ metadata, spec }: V1NetworkPolicy): NetworkPolicySummary {
  // What the API server fills in itself where it is left out.
  const types = spec?.policyTypes ?? ['Ingress', ...spec?.egress ? ['Egress'] : []]
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    podSelector: summarizeSelector(spec?.podSelector),
    ingress: types.includes('Ingress'),
    egress: types.includes('Egress')
  }
}

const summarizeSelector = (selector: V1LabelSelector = {}): LabelSelector => ({
  matchLabels: selector.matchLabels ?? {},
  matchExpressions: selector.matchExpressions?.map(({ key, operator, values }) => ({ key, operator, values: values ?? [] })) ?? []
})

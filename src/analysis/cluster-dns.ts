import { isIPv4 } from 'node:net'
import type { EndpointSummary, ServiceSummary } from '#core/objects.ts'
import type { ObjectReader } from '#core/probe.ts'
import type { Reading } from '#core/reading.ts'

/** The Service of the cluster's DNS, by its usual names; the last of them is OpenShift's. */
const places = [
  { namespace: 'kube-system', name: 'kube-dns' },
  { namespace: 'kube-system', name: 'coredns' },
  { namespace: 'kube-system', name: 'rke2-coredns-rke2-coredns' },
  { namespace: 'openshift-dns', name: 'dns-default' }
]

/**
 * NodeLocal DNSCache stands on each node at the same address: 169.254.20.10 as documented, others by other installers; the DNS of some
 * clouds, too, has one of this sort.
 */
export const isNodeLocal = (ip: string): boolean => isIPv4(ip) && ip.startsWith('169.254.')

/** What a caller must be allowed to read for it, at least. */
export const clusterDnsReading: Reading = { kind: 'service', namespace: 'kube-system' }

/** Null where there is none by a usual name, or where the caller may read none of those that there are. */
export async function findClusterDns (objects: ObjectReader): Promise<ServiceSummary | null> {
  for (const { namespace, name } of places) {
    const service = await objects.may({ kind: 'service', namespace }) ? await objects.service(namespace, name) : null
    if (service && service.clusterIPs.length > 0) return service
  }
  return null
}

/** Null where the caller may not read them. */
export async function endpointsOf ({ namespace, name }: ServiceSummary, objects: ObjectReader): Promise<EndpointSummary[] | null> {
  return await objects.may({ kind: 'endpointSlices', namespace }) ? objects.endpoints(namespace, name) : null
}

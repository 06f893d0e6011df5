import type { EndpointSummary, ServicePort } from '#core/objects.ts'
import type { PodSummary } from '#core/target.ts'

/** Pods of which a container declares the port that the Service sends to: by name it must be one, by number it may be left out. */
export const podsWithPort = (pods: PodSummary[], { targetPort, protocol }: ServicePort): PodSummary[] =>
  pods.filter(({ containers }) => containers.some(({ ports }) => ports.some(port =>
    port.protocol === protocol && (typeof targetPort === 'number' ? port.port : port.name) === targetPort)))

export interface PortEndpoint { ip: string, port: number, ready: boolean }

/** The addresses behind a port of a Service, with the port of each: slices and Service know it by the same name. */
export function endpointsOf (endpoints: EndpointSummary[], { name, protocol }: ServicePort): PortEndpoint[] {
  const found = endpoints.flatMap(({ ip, ready, ports }) => {
    const served = ports.find(port => port.name === name && port.protocol === protocol)
    return served ? [{ ip, port: served.port, ready }] : []
  })
  // While slices are rewritten an address may stand in two.
  return [...new Map(found.map(endpoint => [`${endpoint.ip} ${endpoint.port}`, endpoint])).values()]
}

/** Pods that have ended, as evicted ones, match the selector for ever and serve nobody. */
export const isLiving = ({ phase, deleting }: PodSummary): boolean => !deleting && phase !== 'Succeeded' && phase !== 'Failed'

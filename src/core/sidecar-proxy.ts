import type { PodSummary } from './target.ts'

/** Containers of service meshes that take over the connections of their pod: Istio, Linkerd, Consul, Kuma, Open Service Mesh. */
const names = new Set(['istio-proxy', 'linkerd-proxy', 'consul-dataplane', 'envoy-sidecar', 'kuma-sidecar', 'osm-envoy'])

/** The proxy that accepts every connection of this pod, whether or not the other side would; null where there is none. */
export const sidecarProxyOf = ({ containers, sidecars }: PodSummary): string | null =>
  [...containers.map(({ name }) => name), ...sidecars].find(name => names.has(name)) ?? null

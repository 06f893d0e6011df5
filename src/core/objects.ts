/** Objects of the cluster in our words, as far as diagnostics read them; what is not here stays with the API server. */

export interface ServicePort {
  name: string | null
  port: number
  protocol: string
  /** A number, or the name of a container's port. */
  targetPort: number | string
  nodePort: number | null
}

export interface ServiceSummary {
  namespace: string
  name: string
  /** ClusterIP, NodePort, LoadBalancer or ExternalName. */
  type: string
  /** None of a headless Service, nor of ExternalName. */
  clusterIPs: string[]
  headless: boolean
  externalName: string | null
  /** Null: somebody else keeps its EndpointSlices. */
  selector: Record<string, string> | null
  ports: ServicePort[]
  publishNotReadyAddresses: boolean
}

/** One address of an EndpointSlice of a Service. */
export interface EndpointSummary {
  ip: string
  /** What no condition speaks against, as the API says it. */
  ready: boolean
  terminating: boolean
  /** The pod that it stands for, where the slice says so. */
  pod: { namespace: string, name: string } | null
  node: string | null
  /** By the names of the Service's ports; a port of its own for each slice, as pods may name theirs differently. */
  ports: { name: string | null, port: number, protocol: string }[]
}

export interface LabelSelector {
  matchLabels: Record<string, string>
  matchExpressions: { key: string, operator: string, values: string[] }[]
}

export interface NetworkPolicySummary {
  namespace: string
  name: string
  podSelector: LabelSelector
  ingress: boolean
  egress: boolean
}

import type { Right } from './principal.ts'

/** Kinds of objects that diagnostics read, with what Kubernetes asks for it; plurals list a namespace. */
const rules = {
  pod: { group: '', resource: 'pods', verb: 'get' },
  pods: { group: '', resource: 'pods', verb: 'list' },
  service: { group: '', resource: 'services', verb: 'get' },
  services: { group: '', resource: 'services', verb: 'list' },
  endpointSlices: { group: 'discovery.k8s.io', resource: 'endpointslices', verb: 'list' },
  networkPolicies: { group: 'networking.k8s.io', resource: 'networkpolicies', verb: 'list' }
} as const

/** Something that is read of the API server in the name of the caller, who must hold the right in Kubernetes. */
export interface Reading {
  kind: keyof typeof rules
  namespace: string
  /** Of the one object; for EndpointSlices, of their Service. */
  name?: string
}

/** What the caller needs for it: the ordinary right of Kubernetes, none of ours. */
export const rightOf = ({ kind, namespace }: Reading): Right => ({ ...rules[kind], namespace })

/** Every right of this sort, in no namespace: what our own account needs everywhere to read for callers. */
export const readingRights: Right[] = Object.values(rules).map(rule => ({ ...rule, namespace: '' }))

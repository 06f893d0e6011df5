import { Type, type Static } from 'typebox'
import { OrNull } from './schema.ts'

export const Requester = Type.Object({
  username: Type.String({ description: 'Name as Kubernetes knows it' }),
  uid: Type.String({ description: 'UID as Kubernetes knows it, or empty' }),
  groups: Type.Array(Type.String(), { description: 'Groups as Kubernetes knows them' }),
  authMethod: Type.String({ description: 'kubernetes, oidc, apiKey, local or aggregated; more may come' }),
  actor: OrNull(Type.String({ description: 'Portal that acts for the user, or null' }))
}, { description: 'Who calls, as the cluster knows them' })
export type Requester = Static<typeof Requester>

/** `extra` is needed for reviews and is never shown. */
export interface Principal extends Requester { extra: Record<string, string[]> }

/** A right on a virtual resource of the API group ephemera.dev, or on a real one of Kubernetes. */
export interface Right {
  group: string
  resource: string
  subresource?: string
  verb: string
  /** Empty for cluster-wide. */
  namespace: string
}

export const ephemeraGroup = 'ephemera.dev'

export const right = (verb: string, resource: string, namespace: string, subresource?: string): Right =>
  ({ group: ephemeraGroup, resource, verb, namespace, ...(subresource ? { subresource } : {}) })

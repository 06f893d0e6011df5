import { Type, type Static } from 'typebox'
import { Requester } from './principal.ts'

export const Whoami = Type.Object({
  ...Requester.properties,
  rights: Type.Array(Type.Object({
    right: Type.String({ description: 'Verb and resource of ephemera.dev, as create jobs' }),
    allowed: Type.Boolean({ description: 'Whether the caller has it, in the namespace asked for' })
  }), { description: 'What the caller may do' }),
  quotas: Type.Object({
    requestsPerMinute: Type.Integer({ description: 'Requests of one caller, at each replica' })
  }, { description: 'Limits of the caller' })
}, { description: 'Who calls, and what he may do' })
export type Whoami = Static<typeof Whoami>

export const NamespaceRights = Type.Object({
  name: Type.String({ description: 'Name of the namespace' }),
  launch: Type.Boolean({ description: 'Whether the caller may launch diagnostics there' }),
  captures: Type.Boolean({ description: 'Whether the caller may launch captures there' })
}, { description: 'A namespace in which the caller may launch' })

export const CapabilitiesView = Type.Object({
  cluster: Type.String({ description: 'Name of the cluster' }),
  version: Type.String({ description: 'Version of its Kubernetes' }),
  ephemeralContainers: Type.Boolean({ description: 'Whether discovery lists pods/ephemeralcontainers' }),
  minimumVersion: Type.String({ description: 'Oldest Kubernetes that is supported' }),
  images: Type.Array(Type.Object({
    name: Type.String({ description: 'What a launch names' }),
    reference: Type.String({ description: 'What is injected' })
  }), { description: 'The operator\'s list of images' }),
  diagnostics: Type.Array(Type.Object({
    name: Type.String({ description: 'Name of the diagnostic' }),
    missingRights: Type.Array(Type.String(), { description: 'What our own account lacks for it' })
  }), { description: 'Whether each diagnostic can work here' }),
  warnings: Type.Array(Type.String(), { description: 'What an operator should know, in words' })
}, { description: 'What works in this cluster' })

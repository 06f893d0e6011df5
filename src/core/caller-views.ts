import { Type, type Static } from 'typebox'
import { Requester } from './principal.ts'

export const Quotas = Type.Object({
  requestsPerMinute: Type.Integer({ description: 'Requests of one caller, at each replica' }),
  runningPods: Type.Integer({ description: 'Pods measured at the same time for one caller' }),
  runningPodsInNamespace: Type.Integer({ description: 'Pods measured at the same time in one namespace, for all callers' }),
  queuedPods: Type.Integer({ description: 'Pods that may wait for one caller' }),
  queuedPodsLeft: Type.Integer({ description: 'How many more may wait now' })
}, { description: 'Limits of the caller' })
export type Quotas = Static<typeof Quotas>

export const Whoami = Type.Object({
  ...Requester.properties,
  rights: Type.Array(Type.Object({
    right: Type.String({ description: 'Verb and resource of ephemera.dev, as create jobs' }),
    allowed: Type.Boolean({ description: 'Whether the caller has it, in the namespace asked for' })
  }), { description: 'What the caller may do' }),
  quotas: Quotas
}, { description: 'Who calls, and what he may do' })
export type Whoami = Static<typeof Whoami>

export const NamespaceRights = Type.Object({
  name: Type.String({ description: 'Name of the namespace' }),
  launch: Type.Boolean({ description: 'Whether the caller may launch diagnostics there' }),
  captures: Type.Boolean({ description: 'Whether the caller may launch captures there' })
}, { description: 'A namespace in which the caller may launch' })

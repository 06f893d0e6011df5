import { Type, type Static } from 'typebox'
import { OrNull } from './schema.ts'

/** As namespaces are labelled; `none`: not labelled, so that the cluster's own default holds. */
export const podSecurityLevels = ['privileged', 'baseline', 'restricted', 'none'] as const

const Unread = Type.Array(Type.String(), { description: 'What could not be read of it, and why, in words' })
const MissingRights = (description: string) => Type.Array(Type.String({ description: 'As patch pods/ephemeralcontainers' }), { description })

export const CapabilitiesView = Type.Object({
  cluster: Type.String({ description: 'Name of the cluster' }),
  version: Type.String({ description: 'Version of its Kubernetes' }),
  ephemeralContainers: Type.Boolean({ description: 'Whether discovery lists pods/ephemeralcontainers' }),
  ephemeralContainersStage: Type.Enum(['absent', 'beta', 'stable'], { description: 'stable since 1.25, beta from 1.23' }),
  ephemeralContainersMeaning: Type.String({ description: 'What that means, in words' }),
  minimumVersion: Type.String({ description: 'Oldest Kubernetes that is supported' }),
  images: Type.Array(Type.Object({
    name: Type.String({ description: 'What a launch names' }),
    reference: Type.String({ description: 'What is injected' }),
    registry: Type.String({ description: 'Where nodes pull it from' })
  }), { description: 'The operator\'s list of images' }),
  imagePull: Type.String({ description: 'Whose secrets images are pulled with, in words' }),
  account: Type.Object({
    namespaces: Type.Integer({ description: 'Namespaces that it was asked about one by one; 0: about the whole cluster' }),
    missingRights: MissingRights('What our own account lacks to find pods by workload and Service'),
    unread: Unread
  }, { description: 'Our own account' }),
  diagnostics: Type.Array(Type.Object({
    name: Type.String({ description: 'Name of the diagnostic' }),
    missingRights: MissingRights('What our own account lacks for it')
  }), { description: 'Whether each diagnostic can work here' }),
  podSecurity: Type.Object({
    levels: Type.Array(Type.Object({
      level: Type.Enum(podSecurityLevels, { description: 'Level that is enforced, as the label says; none: without the label' }),
      namespaces: Type.Integer({ description: 'How many namespaces have it' })
    }), { description: 'Levels that were seen' }),
    unread: Unread
  }, { description: 'PodSecurity of namespaces' }),
  admission: Type.Object({
    policies: Type.Array(Type.Object({
      kind: Type.String({ description: 'Kind of the object' }),
      name: Type.String({ description: 'Name of the object' }),
      bindings: Type.Array(Type.String(), { description: 'Bindings of a ValidatingAdmissionPolicy, which does nothing without' })
    }), { description: 'What may refuse or change containers of ours; preflight asks them all by a dry run' }),
    unread: Unread
  }, { description: 'Admission policies and webhooks for pods' }),
  cni: Type.Object({
    names: Type.Array(Type.String(), { description: 'Networks that were recognised; none: unknown' }),
    signs: Type.Array(Type.String(), { description: 'By what' }),
    unread: Unread
  }, { description: 'The network of the cluster' }),
  landlock: Type.Object({
    nodes: Type.Integer({ description: 'Nodes on which this process has opened a channel; 0: nothing is known' }),
    unconfined: Type.Integer({ description: 'Those whose kernel has no Landlock' }),
    version: OrNull(Type.Integer({ description: 'Lowest version of Landlock on them; 0: none' })),
    meaning: Type.String({ description: 'What that means, in words' })
  }, { description: 'Whether tools are confined, as runners said' }),
  warnings: Type.Array(Type.String(), { description: 'What an operator should know, in words' })
}, { description: 'What works in this cluster' })
export type CapabilitiesView = Static<typeof CapabilitiesView>

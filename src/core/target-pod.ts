import { Type, type Static } from 'typebox'
import { Owner } from './job.ts'
import { profileNames } from './profile.ts'
import { OrNull } from './schema.ts'
import type { PodSummary } from './target.ts'

export const TargetPod = Type.Object({
  namespace: Type.String({ description: 'Namespace of the pod' }),
  pod: Type.String({ description: 'Name of the pod' }),
  podUid: Type.String({ description: 'UID of the pod' }),
  node: OrNull(Type.String({ description: 'Node of the pod' })),
  phase: Type.String({ description: 'Phase as Kubernetes says' }),
  ready: Type.Boolean({ description: 'Whether it is ready' }),
  owner: OrNull(Owner),
  labels: Type.Record(Type.String(), Type.String(), { description: 'Labels of the pod' }),
  podIPs: Type.Array(Type.String(), { description: 'Addresses of the pod' }),
  containers: Type.Array(Type.Object({
    name: Type.String({ description: 'Name of the container' }),
    image: Type.String({ description: 'Image of the container' }),
    running: Type.Boolean({ description: 'Whether it runs' }),
    ports: Type.Array(Type.Object({
      name: OrNull(Type.String({ description: 'Name of the port' })),
      port: Type.Integer({ maximum: 65535, description: 'Number of the port' }),
      protocol: Type.String({ description: 'TCP, UDP or SCTP' })
    }), { description: 'Ports it declares' })
  }), { description: 'Containers of the application' }),
  ours: Type.Integer({ description: 'Ephemeral containers of ours, living or ended' }),
  budgetLeft: Type.Integer({ description: 'How many more it may get' }),
  profiles: Type.Array(Type.Enum(profileNames, { description: 'A profile' }), { description: 'Profiles that would be admitted' }),
  refusal: OrNull(Type.String({ description: 'EPH_… that a launch would be refused with' }))
}, { description: 'A pod as callers choose it: what runs in it, and what could be launched there' })
export type TargetPod = Static<typeof TargetPod>

/** What a reader of the cluster found, as callers see it. */
export interface FoundTarget { pod: PodSummary, profiles: string[], refusal: string | null, ours: number, budgetLeft: number }

export function showTarget ({ pod, profiles, ...found }: FoundTarget): TargetPod {
  const { namespace, name, uid, node, phase, ready, owner, labels, podIPs, containers } = pod
  return {
    namespace,
    pod: name,
    podUid: uid,
    node,
    phase,
    ready,
    owner,
    labels,
    podIPs,
    containers: containers.map(({ name, image, running, ports }) => ({ name, image, running, ports })),
    profiles: profileNames.filter(profile => profiles.includes(profile)),
    ...found
  }
}

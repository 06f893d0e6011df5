import { Type, type Static } from 'typebox'
import type { Quotas } from './caller-views.ts'
import { JobError } from './job.ts'
import { profileNames } from './profile.ts'
import { Id, OrNull } from './schema.ts'

export const PreflightPod = Type.Object({
  namespace: Type.String({ description: 'Namespace of the pod' }),
  pod: Type.String({ description: 'Name of the pod' }),
  podUid: Type.String({ description: 'UID of the pod' }),
  node: OrNull(Type.String({ description: 'Node of the pod' })),
  targetContainer: OrNull(Type.String({ description: 'Container the question is about' })),
  profile: OrNull(Type.Enum(profileNames, { description: 'Profile that would be used' })),
  container: OrNull(Type.String({ description: 'Container that would be reused; null: a new one' })),
  reused: Type.Boolean({ description: 'Whether a living session would be reused' }),
  sessionId: OrNull(Id),
  containers: Type.Array(Type.Object({
    name: Type.String({ description: 'Name of the container' }),
    image: Type.String({ description: 'Image of the container' }),
    running: Type.Boolean({ description: 'Whether it runs' }),
    exitReason: OrNull(Type.String({ description: 'Why it has ended' }))
  }), { description: 'Containers of ours that are there already' }),
  budget: Type.Object({
    used: Type.Integer({ description: 'Containers of ours in the pod, living or ended' }),
    max: Type.Integer({ description: 'How many it may ever get' }),
    left: Type.Integer({ description: 'How many more it may get, before this launch' })
  }, { description: 'Containers of ours, which can never be removed' }),
  refusedProfiles: Type.Array(Type.Object({
    profile: Type.Enum(profileNames, { description: 'Profile that was refused' }),
    code: Type.String({ description: 'EPH_…' }),
    message: Type.String({ description: 'Why, in words' })
  }), { description: 'Profiles that the diagnostic prefers to the one that would be used, and that are refused here' }),
  memory: Type.Object({
    nodeLeftBytes: OrNull(Type.Integer({ description: 'What is allocatable on the node less what its pods ask for; below 0: more is asked for' })),
    podLimitBytes: OrNull(Type.Integer({ description: 'What the pod may use in all, tools of ours included; null: no bound' })),
    unread: OrNull(Type.String({ description: 'What could not be read of it, and why, in words' }))
  }, { description: 'Memory for a tool: containers of ours can have no request and no limit of their own' }),
  warnings: Type.Array(Type.Object({
    code: Type.String({ description: 'Stable code, as ISOLATION_SHARED' }),
    message: Type.String({ description: 'In words' })
  }), { description: 'What does not prevent the launch but should be known' }),
  error: OrNull(JobError)
}, { description: 'What launching would do in one pod; found out without touching it' })
export type PreflightPod = Static<typeof PreflightPod>

export const Preflight = Type.Object({
  matched: Type.Integer({ description: 'Pods the target matches' }),
  rule: Type.String({ description: 'How pods were chosen of them, in words' }),
  deduplicatedFrom: OrNull(Type.String({ ...Id, description: 'With maxAgeSeconds: the job whose result would be shared, and nothing measured' })),
  pods: Type.Array(PreflightPod, { description: 'What launching would do in each pod' })
}, { description: 'What launching would do' })
export type Preflight = Static<typeof Preflight>

/** A name on the operator's list of images: the current digest first, then the previous one, whose sessions are still reused. */
export interface ImageEntry { name: string, references: string[] }

/** What the operator allows; from the configuration. */
export interface Policy {
  cluster: string
  images: ImageEntry[]
  /** Containers of ours that a pod may ever get. */
  budget: number
  allowHostNetwork: boolean
  allowHostPid: boolean
  /** Where our account has its rights, if it has them not everywhere. */
  namespaces: string[]
  /** Namespaces that are never looked into, as kube-system. */
  refusedNamespaces: string[]
  /** Of one caller, over all processes. */
  quotas: Pick<Quotas, 'runningPods' | 'runningPodsInNamespace' | 'queuedPods'>
  /** Runs under way in this process at the most. */
  concurrency: number
  /** Seconds without progress of the store after which a run is given up. */
  stallSeconds: number
  /** Seconds that captures get to end when the service stops. */
  shutdownGraceSeconds: number
}

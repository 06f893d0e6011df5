import { Type, type Static } from 'typebox'
import { JobError } from './job.ts'
import { profileNames } from './profile.ts'
import { OrNull } from './schema.ts'

export const PreflightPod = Type.Object({
  namespace: Type.String({ description: 'Namespace of the pod' }),
  pod: Type.String({ description: 'Name of the pod' }),
  podUid: Type.String({ description: 'UID of the pod' }),
  node: OrNull(Type.String({ description: 'Node of the pod' })),
  targetContainer: OrNull(Type.String({ description: 'Container the question is about' })),
  profile: OrNull(Type.Enum(profileNames, { description: 'Profile that would be used' })),
  container: OrNull(Type.String({ description: 'Container that would be reused; null: a new one' })),
  reused: Type.Boolean({ description: 'Whether a living session would be reused' }),
  budget: Type.Object({
    used: Type.Integer({ description: 'Containers of ours in the pod, living or ended' }),
    max: Type.Integer({ description: 'How many it may ever get' })
  }, { description: 'Containers of ours, which can never be removed' }),
  warnings: Type.Array(Type.Object({
    code: Type.String({ description: 'Stable code, as ISOLATION_SHARED' }),
    message: Type.String({ description: 'In words' })
  }), { description: 'What does not prevent the launch but should be known' }),
  error: OrNull(JobError)
}, { description: 'What launching would do in one pod; found out without touching it' })
export type PreflightPod = Static<typeof PreflightPod>

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
  /** Runs under way in this process at the most. */
  concurrency: number
  /** Seconds without progress of the store after which a run is given up. */
  stallSeconds: number
  /** Seconds that captures get to end when the service stops. */
  shutdownGraceSeconds: number
}

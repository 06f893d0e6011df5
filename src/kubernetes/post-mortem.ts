import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { Problem } from '#core/errors.ts'
import type { ContainerPlace, PostMortem } from '#core/ports/channel.ts'
import { absentAs } from './absent.ts'
import type { Api } from './api.ts'
import { checkObject } from './names.ts'
import { readPod } from './read-pod.ts'

/** Why a channel was lost, as far as the pod's status tells. Pure; null: the pod is not there. */
export function judgePod (pod: V1Pod | null, { podUid, container }: ContainerPlace): PostMortem {
  if (pod === null || pod.metadata?.uid !== podUid) return 'podGone'
  const ended = pod.status?.ephemeralContainerStatuses?.find(({ name }) => name === container)?.state?.terminated
  // On cgroup v2 the kubelet sets memory.oom.group: the kernel kills the whole container for one tool's memory.
  if (ended?.reason === 'OOMKilled') return 'oom'
  if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 'podGone'
  return ended ? 'containerEnded' : 'unknown'
}

/** Pure; null: the node is not there. */
export const judgeNode = (node: V1Node | null): PostMortem =>
  node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' ? 'unknown' : 'nodeGone'

export interface PostMortemTimes { everyMs: number, forMs: number }
/** The kubelet tells of the end of a container about a second after it. */
export const postMortemTimes: PostMortemTimes = { everyMs: 300, forMs: 3000 }

/** Asks until the status tells, at most 3 s; `unknown` also where the API server cannot be asked. */
export async function performPostMortem (
  api: Api, place: ContainerPlace, signal?: AbortSignal, times = postMortemTimes
): Promise<PostMortem> {
  const { namespace, pod: name, node } = place
  const until = performance.now() + times.forMs
  try {
    for (;;) {
      const found = judgePod(await readPod(api, namespace, name, signal), place)
      if (found !== 'unknown') return found
      if (performance.now() + times.everyMs > until) break
      await sleep(times.everyMs, undefined, { signal })
    }
    if (node === null) return 'unknown'
    return judgeNode(await absentAs(null, api.call(`read node "${node}"`,
      options => api.core.readNode({ name: checkObject(node) }, options), { signal })))
  } catch (error) {
    if (error instanceof Problem && ['EPH_CLUSTER_UNAVAILABLE', 'EPH_ACCOUNT_FORBIDDEN'].includes(error.code)) return 'unknown'
    throw error
  }
}

import { asProblem, Problem } from '#core/errors.ts'
import { perObject } from '#core/per-object.ts'
import type { ClusterReader, NodeMemory } from '#core/ports/cluster.ts'
import type { PreflightPod } from '#core/preflight.ts'
import type { PodSummary } from '#core/target.ts'
import type { Context } from './context.ts'
import { toJobError } from './job-error.ts'
import { planPod, type Question } from './preflight.ts'
import { ourContainers } from './preflight-rules.ts'
import { warningsFor } from './preflight-warnings.ts'
import { createRecent } from './recent.ts'

/** What a dry run answers for one pod: the codes are those that the launch itself would meet. */
export async function preflightPod (context: Context, question: Question): Promise<PreflightPod> {
  const { pod, image } = question
  const ours = ourContainers(pod)
  const { budget: max } = context.policy
  const memory = await memoryOf(context, pod)
  const base = {
    namespace: pod.namespace,
    pod: pod.name,
    podUid: pod.uid,
    node: pod.node,
    containers: ours.map(({ name, image, running, exitReason }) => ({ name, image, running, exitReason })),
    budget: { used: ours.length, max, left: Math.max(0, max - ours.length) },
    memory
  }
  try {
    const { targetContainer, profile, session, refused } = await planPod(context, question)
    return {
      ...base,
      targetContainer,
      profile,
      container: session?.ephemeralContainer ?? null,
      reused: session !== null,
      sessionId: session?.id ?? null,
      refusedProfiles: refused.map(({ profile, problem: { code, message } }) => ({ profile, code, message })),
      warnings: warningsFor({ pod, image: image.references[0]!, isNew: session === null, memory }),
      error: null
    }
  } catch (error) {
    const problem = asProblem(error)
    // Trouble of the cluster says nothing about a pod; a right that our account lacks there does.
    if (problem.status >= 500 && problem.code !== 'EPH_ACCOUNT_FORBIDDEN') throw error
    return {
      ...base,
      targetContainer: null,
      profile: null,
      container: null,
      reused: false,
      sessionId: null,
      refusedProfiles: [],
      warnings: [],
      error: toJobError(problem)
    }
  }
}

/** Pods of one node, and dry runs that follow each other, ask once. */
const nodesOf = perObject((_: ClusterReader) => createRecent<NodeMemory | null>(10_000))

async function memoryOf ({ reader }: Pick<Context, 'reader'>, { node, memoryLimitBytes: podLimitBytes }: PodSummary): Promise<PreflightPod['memory']> {
  if (node === null) return { nodeLeftBytes: null, podLimitBytes, unread: null }
  try {
    const found = await nodesOf(reader).of(node, () => reader.nodeMemory(node))
    return { nodeLeftBytes: found && found.allocatableBytes - found.requestedBytes, podLimitBytes, unread: null }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { nodeLeftBytes: null, podLimitBytes, unread: error.message }
  }
}

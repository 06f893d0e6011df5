import { profilesOf, type AnyDiagnostic } from '#core/diagnostic.ts'
import { asProblem, Problem } from '#core/errors.ts'
import type { NamespaceSummary } from '#core/ports/cluster.ts'
import { perObject } from '#core/per-object.ts'
import type { SessionStore } from '#core/ports/storage.ts'
import type { ImageEntry, PreflightPod } from '#core/preflight.ts'
import type { ProfileName } from '#core/profile.ts'
import type { Session, SessionKey } from '#core/session.ts'
import { shareCalls } from '#core/share-calls.ts'
import { containerNameOf, type PodSummary } from '#core/target.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from './context.ts'
import { digestOf } from './digest-of.ts'
import { toJobError } from './job-error.ts'
import { chooseContainer, demandBudget, demandFitting, ourContainers, warningsFor } from './preflight-rules.ts'

export interface Question {
  pod: PodSummary
  namespace: NamespaceSummary
  diagnostic: AnyDiagnostic
  params: Record<string, unknown>
  image: ImageEntry
  targetContainer: string | undefined
}

/** How a pod would be looked into. */
export interface PodPlan {
  pod: PodSummary
  targetContainer: string
  profile: ProfileName
  key: SessionKey
  /** A living session that fits, or null: a new one. */
  session: Session | null
  warnings: PreflightPod['warnings']
}

/** Asks one pod, without touching it, how it would be looked into; rejects with the Problem that a launch would meet. */
export async function planPod (context: Context, question: Question, signal?: AbortSignal): Promise<PodPlan> {
  const { pod, namespace, diagnostic, params, image } = question
  demandFitting(pod, namespace, diagnostic, context.policy)
  const targetContainer = chooseContainer(pod, question.targetContainer)
  const sharedContainer = diagnostic.sharesProcesses ? targetContainer : null
  const warnings = warningsFor(pod, image.references[0]!)
  let refusal: Problem | undefined
  for (const profile of profilesOf(diagnostic, params)) {
    const key: SessionKey = { podUid: pod.uid, imageDigests: image.references.map(digestOf), profile, sharedContainer, purpose: 'diagnostics' }
    const session = await livingSession(context, key, pod)
    if (!session) {
      demandBudget(pod, context.policy)
      try {
        const container = { name: containerNameOf(uuidv7()), image: image.references[0]!, profile, sharedContainer }
        await context.injector.dryRun(pod, container, signal)
      } catch (error) {
        const problem = asProblem(error)
        if (problem.code !== 'EPH_POD_SECURITY') throw error
        refusal ??= problem
        continue
      }
    }
    return { pod, targetContainer, profile, key, session, warnings }
  }
  throw refusal ?? new Problem('EPH_POD_SECURITY', `Cannot look into pod "${pod.name}": the diagnostic has no profile for these parameters`)
}

const searchesIn = perObject((_: SessionStore) => shareCalls<Session | null>())

/** The open session of a key whose container still runs, as far as this reading of the pod can tell. */
async function livingSession ({ database: { sessions } }: Context, key: SessionKey, pod: PodSummary): Promise<Session | null> {
  const session = await searchesIn(sessions)(JSON.stringify(key), () => sessions.findLiving(key))
  if (!session) return null
  const container = pod.ephemeral.find(({ name }) => name === session.ephemeralContainer)
  if (!container?.exitReason) return session
  await sessions.close(session.id, `the container ended: ${container.exitReason}`)
  return null
}

/** What a dry run answers for one pod. */
export async function preflightPod (context: Context, question: Question): Promise<PreflightPod> {
  const { pod } = question
  const base = {
    namespace: pod.namespace,
    pod: pod.name,
    podUid: pod.uid,
    node: pod.node,
    budget: { used: ourContainers(pod).length, max: context.policy.budget }
  }
  try {
    const { targetContainer, profile, session, warnings } = await planPod(context, question)
    const container = session?.ephemeralContainer ?? null
    return { ...base, targetContainer, profile, container, reused: session !== null, warnings, error: null }
  } catch (error) {
    const problem = asProblem(error)
    if (problem.status >= 500) throw error
    return { ...base, targetContainer: null, profile: null, container: null, reused: false, warnings: [], error: toJobError(problem) }
  }
}

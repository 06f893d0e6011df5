import { profilesOf, type AnyDiagnostic } from '#core/diagnostic.ts'
import { asProblem, Problem } from '#core/errors.ts'
import type { NamespaceSummary } from '#core/ports/cluster.ts'
import { perObject } from '#core/per-object.ts'
import type { SessionStore } from '#core/ports/storage.ts'
import type { ImageEntry } from '#core/preflight.ts'
import type { ProfileName } from '#core/profile.ts'
import type { Session, SessionKey } from '#core/session.ts'
import { shareCalls } from '#core/share-calls.ts'
import { containerNameOf, type PodSummary } from '#core/target.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from './context.ts'
import { digestOf } from './digest-of.ts'
import { demandExec } from './demand-exec.ts'
import { chooseContainer, demandBudget, demandFitting } from './preflight-rules.ts'

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
  /** Profiles that come before this one, and why they cannot be had. */
  refused: { profile: ProfileName, problem: Problem }[]
}

/** Asks one pod, without touching it, how it would be looked into; rejects with the Problem that a launch would meet. */
export async function planPod (context: Context, question: Question, signal?: AbortSignal): Promise<PodPlan> {
  const { pod, namespace, diagnostic, params, image } = question
  demandFitting(pod, namespace, diagnostic, context.policy)
  const targetContainer = chooseContainer(pod, question.targetContainer)
  const sharedContainer = diagnostic.sharesProcesses ? targetContainer : null
  const refused: PodPlan['refused'] = []
  await demandExec(context, pod.namespace)
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
        refused.push({ profile, problem })
        continue
      }
    }
    return { pod, targetContainer, profile, key, session, refused }
  }
  throw refused[0]?.problem ?? new Problem('EPH_POD_SECURITY', `Cannot look into pod "${pod.name}": the diagnostic has no profile for these parameters`)
}

/** Of a flood of launches on one pod. */
const searchEveryMs = 20
const searchesIn = perObject((_: SessionStore) => shareCalls<Session | null>(searchEveryMs))

/** The open session of a key whose container still runs, as far as this reading of the pod can tell. */
async function livingSession ({ database: { sessions } }: Context, key: SessionKey, pod: PodSummary): Promise<Session | null> {
  const session = await searchesIn(sessions)(JSON.stringify(key), () => sessions.findLiving(key))
  if (!session) return null
  const container = pod.ephemeral.find(({ name }) => name === session.ephemeralContainer)
  if (!container?.exitReason) return session
  await sessions.close(session.id, `the container ended: ${container.exitReason}`)
  return null
}

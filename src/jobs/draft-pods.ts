import { asProblem } from '#core/errors.ts'
import type { DraftPod } from '#core/ports/storage.ts'
import type { PodSummary } from '#core/target.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from './context.ts'
import { toJobError } from './job-error.ts'
import { planPod, type Question } from './preflight.ts'

/** Single refused pods are failed from the start; where all are, the first one's reason refuses the launch. */
export async function draftPods (context: Context, pods: PodSummary[], question: Omit<Question, 'pod'>): Promise<DraftPod[]> {
  const answers = await Promise.allSettled(pods.map(pod => planPod(context, { ...question, pod })))
  const refusals = answers.map(answer => answer.status === 'rejected' ? asProblem(answer.reason) : null)
  // Trouble of ours or the cluster's says nothing about a pod.
  const trouble = answers.find((answer, index) => answer.status === 'rejected' && refusals[index]!.status >= 500)
  if (trouble?.status === 'rejected') throw trouble.reason
  const [first] = refusals
  if (first && refusals.every(refusal => refusal !== null)) throw first
  return pods.map((pod, index) => {
    const answer = answers[index]!
    const refusal = refusals[index]
    const targetContainer = answer.status === 'fulfilled' ? answer.value.targetContainer : question.targetContainer ?? ''
    return { id: uuidv7(), pod, targetContainer, error: refusal ? toJobError(refusal) : null }
  })
}

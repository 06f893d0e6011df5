import { Problem } from '#core/errors.ts'
import type { PostMortem } from '#core/ports/channel.ts'
import type { PodResult } from '#core/ports/storage.ts'
import type { Acquired } from './acquire-session.ts'
import type { Context } from './context.ts'
import { toJobError } from './job-error.ts'
import { RunFailure } from './run-failure.ts'

/** What became of a claim: its result, or that another attempt should be made. */
export type Ending = { result: PodResult } | { retryBecause: string, otherwise: PodResult }

/** Before a tool ran, these pass: the same may succeed at another time, or from another worker. */
const passing = new Set(['EPH_CHANNEL_LOST', 'EPH_CLUSTER_UNAVAILABLE', 'EPH_DATABASE_UNAVAILABLE'])

const ended = (state: PodResult['state'], problem: Problem, verdict: PodResult['verdict'] = null): PodResult =>
  ({ state, verdict, error: toJobError(problem), report: null, findings: [] })

/** The tool has run, but what it said is cut or cannot be read. */
export const isUnusable = (error: unknown): boolean => error instanceof RunFailure
  ? error.outcome.podState === 'succeeded'
  : error instanceof Problem && error.code === 'EPH_OUTPUT_UNREADABLE'

/**
 * What follows for the pod from what stopped its measurement; for ends of runs it is the table of outcomes that says it. `repeatable`: the
 * diagnostic may be repeated, or no tool of it has started.
 */
export function endingOf (problem: Problem, repeatable: boolean): Ending {
  if (isUnusable(problem)) return { result: ended('succeeded', problem, 'inconclusive') }
  if (problem instanceof RunFailure) {
    const { podState, retry } = problem.outcome
    const result = ended(podState, problem)
    return retry && repeatable ? { retryBecause: problem.message, otherwise: result } : { result }
  }
  const isDone = passing.has(problem.code) && !repeatable
  const told = isDone ? new Problem(problem.code, problem.message, { effect: 'done', cause: problem }) : problem
  const result = ended(problem.code === 'EPH_FORBIDDEN' ? 'denied' : 'failed', told)
  return passing.has(problem.code) && repeatable ? { retryBecause: problem.message, otherwise: result } : { result }
}

/** Cancelled or shut down while no tool ran. `isDone`: one had run before, and must not run twice. */
export function interrupted (cause: 'cancelled' | 'shutdown', isDone: boolean): Ending {
  const effect = isDone ? 'done' : 'none'
  if (cause === 'cancelled') return { result: ended('cancelled', new Problem('EPH_CANCELLED', 'Cannot go on: the job was cancelled', { effect })) }
  const problem = new Problem('EPH_SHUTDOWN', 'Cannot go on: the service was stopped', { effect })
  const result = ended('failed', problem)
  return isDone ? { result } : { retryBecause: problem.message, otherwise: result }
}

/** A lost connection has reasons that only the pod's status tells. */
export async function explainLoss (context: Context, problem: Problem, acquired: Acquired | undefined): Promise<Problem> {
  const wasLost = problem.code === 'EPH_CHANNEL_LOST' || (problem instanceof RunFailure && problem.endCause === 'disconnected')
  if (!wasLost || !acquired) return problem
  const { place: { pod } } = acquired
  const why = await findReason(context, acquired).catch((error: unknown) => {
    context.log.warn({ err: error }, 'Cannot tell why a channel was lost')
    return 'unknown' as const
  })
  const cannot = `Cannot finish in pod "${pod}":`
  if (why === 'oom') return new RunFailure('oom', 'EPH_OUT_OF_MEMORY', `${cannot} the kernel killed our container for memory`)
  if (why === 'podGone') return new Problem('EPH_POD_GONE', `${cannot} it is gone`)
  if (why === 'nodeGone') return new Problem('EPH_NODE_GONE', `${cannot} its node cannot be reached`)
  return problem
}

async function findReason ({ channels, database: { sessions } }: Context, { place, session }: Acquired): Promise<PostMortem> {
  const why = await channels.postMortem(place)
  if (why === 'oom' || why === 'containerEnded' || why === 'podGone') await sessions.close(session.id, why)
  return why
}

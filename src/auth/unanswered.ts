import { Problem } from '#core/errors.ts'

/** A review that came to no answer. What the API server has against our request (404, 422) says nothing of the caller's. */
export function unanswered (error: unknown): unknown {
  if (!(error instanceof Problem) || error.status >= 500) return error
  return new Problem('EPH_CLUSTER_UNAVAILABLE', error.message, { cause: error })
}

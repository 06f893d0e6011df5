import { asProblem } from '#core/errors.ts'
import type { Principal, Right } from '#core/principal.ts'
import type { Context } from './context.ts'

const everyMs = 5000
/** A cluster that gives no answer for so long cannot vouch for anybody any more. */
const unansweredMs = 10_000

/**
 * Passes a stream on for as long as the caller holds the rights: they are asked again each 5 s, past the cache and also while nothing
 * flows, so that a revoked right ends it within 15 s.
 */
export async function * whileAllowed<T> (
  { authority }: Context, caller: Principal, rights: Right[], open: (signal: AbortSignal) => AsyncIterable<T>
): AsyncIterable<T> {
  const ending = new AbortController()
  let allowedAt = performance.now()
  let isAsking = false

  async function ask (): Promise<void> {
    if (isAsking) return
    isAsking = true
    const askedAt = performance.now()
    try {
      await Promise.all(rights.map(right => authority.demand(caller, right, { fresh: true })))
      allowedAt = askedAt
    } catch (error) {
      if (asProblem(error).code === 'EPH_FORBIDDEN' || performance.now() - allowedAt > unansweredMs) ending.abort(error)
    } finally {
      isAsking = false
    }
  }

  const timer = setInterval(ask, everyMs)
  try {
    for await (const item of open(ending.signal)) {
      ending.signal.throwIfAborted()
      yield item
    }
    ending.signal.throwIfAborted()
  } finally {
    clearInterval(timer)
    ending.abort()
  }
}

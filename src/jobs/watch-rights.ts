import { Problem } from '#core/errors.ts'
import type { Principal, Right } from '#core/principal.ts'
import type { Context } from './context.ts'

const everyMs = 5000

/**
 * Passes a stream on for as long as the caller holds the rights: they are asked again each 5 s, past the cache and also while nothing
 * flows, so that a revoked right ends it.
 */
export async function * whileAllowed<T> (
  { authority }: Context, caller: Principal, rights: Right[], open: (signal: AbortSignal) => AsyncIterable<T>
): AsyncIterable<T> {
  const ending = new AbortController()
  let refusal: unknown = null
  const timer = setInterval(() => {
    Promise.all(rights.map(right => authority.demand(caller, right, { fresh: true }))).catch(error => {
      refusal = error
      ending.abort(error)
    })
  }, everyMs)
  try {
    for await (const item of open(ending.signal)) {
      if (refusal) break
      yield item
    }
  } finally {
    clearInterval(timer)
    ending.abort()
  }
  if (refusal) throw refusal instanceof Error ? refusal : new Problem('EPH_FORBIDDEN', 'Cannot go on: the right was taken back')
}

import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'

const firstPauseMs = 100
const longestPauseMs = 2000
/** Shorter than the lease of a claim: later, somebody else may have ended the work. */
const patienceMs = 15_000

/** Repeats a write of evidence or of a result while the database is away for a moment. Only for writes that may be repeated. */
export async function persist<T> (write: () => Promise<T>): Promise<T> {
  const until = performance.now() + patienceMs
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await write()
    } catch (error) {
      if (asProblem(error).code !== 'EPH_DATABASE_UNAVAILABLE' || performance.now() + pauseMs > until) throw error
      await delay(pauseMs)
    }
  }
}

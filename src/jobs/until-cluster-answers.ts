import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { Context } from './context.ts'

const everyMs = 1000
const patienceMs = 15 * 60_000

/**
 * Waits while the API server is away: another attempt would fail as the last one did, and only so many are made. Ends early by the signal;
 * never rejects.
 */
export async function untilClusterAnswers ({ reader }: Pick<Context, 'reader'>, signal: AbortSignal): Promise<void> {
  for (const until = performance.now() + patienceMs; !signal.aborted && performance.now() < until;) {
    try {
      await reader.info(signal)
      return
    } catch (error) {
      // Whatever else it says, it has answered.
      if (!signal.aborted && asProblem(error).code !== 'EPH_CLUSTER_UNAVAILABLE') return
    }
    await delay(everyMs, undefined, { signal }).catch(() => {}) // the loop ends
  }
}

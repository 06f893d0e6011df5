import { setTimeout as sleep } from 'node:timers/promises'
import { ApiException } from '@kubernetes/client-node'
import { Problem } from '#core/errors.ts'

const firstPauseMs = 100
const attemptsMax = 4

export interface RepeatOptions {
  /** For all attempts and the pauses between them. */
  withinMs: number
  signal?: AbortSignal | undefined
  /** False: it is in vain for now. */
  isWorth?: () => boolean
}

/** As long as the server says, else ever longer; spread, so that those who were sent away together do not come back together. */
function pauseOf ({ retryAfterSeconds }: Problem, attempts: number): number {
  return (retryAfterSeconds === null ? firstPauseMs * 3 ** (attempts - 1) : retryAfterSeconds * 1000) * (1 + Math.random() / 2)
}

/** Whether the API server may answer otherwise soon: it has answered 429 or 5xx, or nothing. */
const isPassing = (error: unknown): error is Problem => error instanceof Problem && error.code === 'EPH_CLUSTER_UNAVAILABLE' &&
  !(error.cause instanceof ApiException && error.cause.code === 401)

/**
 * Makes a call again after 429, 5xx or a broken connection, at most 4 times and with pauses, as long as time allows. Rejects with the last
 * error, or with the signal's reason.
 */
export async function repeat<T> (
  attempt: (attempts: number) => Promise<T>, { withinMs, signal, isWorth = () => true }: RepeatOptions
): Promise<T> {
  const until = performance.now() + withinMs
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt(attempts)
    } catch (error) {
      if (!isPassing(error) || attempts === attemptsMax || !isWorth()) throw error
      const pauseMs = pauseOf(error, attempts)
      if (performance.now() + pauseMs > until) throw error
      await sleep(pauseMs, undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
  }
}

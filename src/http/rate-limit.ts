import { Problem } from '#core/errors.ts'

const windowMs = 60_000

export interface Taken {
  /** After the IETF draft. */
  headers: Record<string, string>
  refusal: Problem | null
}

/** Takes one request from what a caller may still ask for. */
export type RateLimit = (caller: string) => Taken

/**
 * Requests of one caller per minute, counted by each replica for itself. By a clock that nobody sets: by the machine's, as
 * @fastify/rate-limit counts, a caller may be locked out until it has caught up.
 */
export function createRateLimit (requestsPerMinute: number, now: () => number = () => performance.now()): RateLimit {
  let windowEnd = 0
  // Emptied with every window, so that it holds no more callers than one minute brings.
  const counts = new Map<string, number>()
  return caller => {
    if (now() >= windowEnd) {
      counts.clear()
      windowEnd = now() + windowMs
    }
    const count = (counts.get(caller) ?? 0) + 1
    counts.set(caller, count)
    const seconds = Math.ceil((windowEnd - now()) / 1000)
    return {
      headers: {
        'ratelimit-policy': `"caller";q=${requestsPerMinute};w=${windowMs / 1000}`,
        ratelimit: `"caller";r=${Math.max(0, requestsPerMinute - count)};t=${seconds}`
      },
      refusal: count <= requestsPerMinute
        ? null
        : new Problem('EPH_RATE_LIMITED', `Cannot serve more than ${requestsPerMinute} requests a minute of one caller`, { retryAfterSeconds: seconds })
    }
  }
}

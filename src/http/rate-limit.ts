import type { FastifyReply } from 'fastify'
import { Problem } from '#core/errors.ts'

const windowMs = 60_000

export type RateLimit = (caller: string, reply: FastifyReply) => void

/** Requests of one caller per minute, counted by each replica for itself. Headers after the IETF draft. */
export function createRateLimit (requestsPerMinute: number, now: () => number = Date.now): RateLimit {
  let windowEnd = 0
  // Emptied with every window, so that it holds no more callers than one minute brings.
  const counts = new Map<string, number>()
  return (caller, reply) => {
    if (now() >= windowEnd) {
      counts.clear()
      windowEnd = now() + windowMs
    }
    const count = (counts.get(caller) ?? 0) + 1
    counts.set(caller, count)
    const seconds = Math.ceil((windowEnd - now()) / 1000)
    reply.headers({
      'ratelimit-policy': `"caller";q=${requestsPerMinute};w=${windowMs / 1000}`,
      ratelimit: `"caller";r=${Math.max(0, requestsPerMinute - count)};t=${seconds}`
    })
    if (count > requestsPerMinute) {
      throw new Problem('EPH_RATE_LIMITED', `Cannot serve more than ${requestsPerMinute} requests a minute of one caller`, { retryAfterSeconds: seconds })
    }
  }
}

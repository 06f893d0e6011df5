import { createHash } from 'node:crypto'
import { Problem } from '#core/errors.ts'
import type { Authenticate } from '#core/ports/authority.ts'
import type { Reviewer } from '#core/ports/cluster.ts'
import type { Principal } from '#core/principal.ts'
import { createAnswers } from './answers.ts'
import { bearerToken } from './bearer-token.ts'
import { unanswered } from './unanswered.ts'

const acceptedMs = 10_000
/** Long enough that a client which repeats itself does not burden the API server. */
const refusedMs = 2000
const mostTokens = 1000

export interface TokenReviewOptions {
  reviewer: Pick<Reviewer, 'authenticate'>
  audiences: string[]
  now?: (() => number) | undefined
}

/** Tokens of Kubernetes that were made for one of our audiences. */
export function reviewTokens ({ reviewer, audiences, now }: TokenReviewOptions): Authenticate {
  const ask = createAnswers<Principal | null>({
    isYes: principal => principal !== null, yesMs: acceptedMs, noMs: refusedMs, most: mostTokens, now
  })
  const advice = `kubectl create token SERVICEACCOUNT --audience=${audiences[0]}`

  return async credentials => {
    const token = bearerToken(credentials)
    let principal: Principal | null
    try {
      // What is kept identifies nobody to whoever reads our memory.
      principal = await ask(createHash('sha256').update(token).digest('base64'), () => reviewer.authenticate(token, audiences))
    } catch (error) {
      throw unanswered(error)
    }
    if (principal) return principal
    throw new Problem('EPH_UNAUTHENTICATED',
      `Cannot accept the token: it has expired, was revoked, or was not made for ${audiences.join(' or ')} (${advice})`)
  }
}

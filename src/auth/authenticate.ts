import { Problem } from '#core/errors.ts'
import type { Authenticate } from '#core/ports/authority.ts'
import type { Reviewer } from '#core/ports/cluster.ts'
import { acceptLocalToken } from './local-token.ts'
import { reviewTokens } from './token-review.ts'

export interface AuthenticateOptions {
  reviewer: Pick<Reviewer, 'authenticate' | 'self'>
  /** That tokens of Kubernetes must be made for, one of them. */
  audiences: string[]
  /** Outside a cluster: the one token that is taken, and then no other. */
  localToken?: string | undefined
  count?: (name: string) => void
  now?: () => number
}

/** Who calls, by Authorization: Bearer alone; never by what another header, a cookie or an address claims. */
export function createAuthenticate ({ reviewer, audiences, localToken, count, now }: AuthenticateOptions): Authenticate {
  const identify = localToken === undefined ? reviewTokens({ reviewer, audiences, now }) : acceptLocalToken(reviewer, localToken)
  return async credentials => {
    try {
      return await identify(credentials)
    } catch (error) {
      if (error instanceof Problem && error.code === 'EPH_UNAUTHENTICATED') count?.('ephemera_unauthenticated_total')
      throw error
    }
  }
}

import { createHash, timingSafeEqual } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import { Problem } from '#core/errors.ts'
import type { Authenticate } from '#core/ports/authority.ts'
import type { Reviewer } from '#core/ports/cluster.ts'
import type { Principal } from '#core/principal.ts'
import { bearerToken, isToken } from './bearer-token.ts'
import { unanswered } from './unanswered.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

function isLoopback (address: string): boolean {
  const version = isIP(address)
  return version !== 0 && loopback.check(address, `ipv${version as 4 | 6}`)
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** Before Kubernetes 1.28 the API server does not tell who asks. Rights are reviewed by its own connection, not by this name. */
const nameless: Principal = { username: 'kubeconfig', uid: '', groups: [], extra: {}, authMethod: 'local', actor: null }

/** One token, of this machine alone; it acts as the kubeconfig's own identity. */
export function acceptLocalToken (reviewer: Pick<Reviewer, 'self'>, localToken: string): Authenticate {
  if (!isToken(localToken)) throw new Error('Cannot use EPHEMERA_TOKEN: no header can carry it; use visible ASCII characters without comma')
  // Digests are equally long, and tell nothing of how much of a guess was right.
  const expected = digestOf(localToken)
  let self: Promise<Principal> | null = null

  async function askSelf (): Promise<Principal> {
    try {
      return await reviewer.self()
    } catch (error) {
      if (error instanceof Problem && error.code === 'EPH_NOT_FOUND') return nameless
      throw unanswered(error)
    }
  }

  return async credentials => {
    if (!isLoopback(credentials.remoteAddress)) {
      throw new Problem('EPH_UNAUTHENTICATED', 'Cannot tell who calls: outside a cluster only callers on the same machine are identified')
    }
    if (!timingSafeEqual(digestOf(bearerToken(credentials)), expected)) {
      throw new Problem('EPH_UNAUTHENTICATED', 'Cannot accept the token: send the one that Ephemera printed when it started, or EPHEMERA_TOKEN')
    }
    self ??= askSelf().catch(error => {
      self = null
      throw error
    })
    return await self
  }
}

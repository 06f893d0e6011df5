import { createHash } from 'node:crypto'
import { Problem } from '#core/errors.ts'
import type { Authority } from '#core/ports/authority.ts'
import type { Reviewer } from '#core/ports/cluster.ts'
import type { Principal, Right } from '#core/principal.ts'
import { createAnswers } from './answers.ts'
import { missingRule } from './missing-rule.ts'
import { unanswered } from './unanswered.ts'

const allowedMs = 10_000
/** Only so long that a list over many namespaces, read again at once, does not ask for each anew. */
const deniedMs = 1000
const mostRights = 5000

export interface AuthorityOptions {
  reviewer: Pick<Reviewer, 'allowed'>
  count?: (name: string) => void
  now?: () => number
}

/** All that a review knows of a caller and a right, written so that no two of them look alike. */
function keyOf (principal: Principal, { group, resource, subresource, verb, namespace }: Right): string {
  const { authMethod, username, uid, groups, extra, actor } = principal
  const extras = Object.keys(extra).sort().map(name => [name, extra[name]])
  const all = [authMethod, username, uid, groups.toSorted(), extras, actor, group, resource, subresource ?? '', verb, namespace]
  return createHash('sha256').update(JSON.stringify(all)).digest('base64')
}

/** What callers may do: their rights in Kubernetes, and nothing else. */
export function createAuthority ({ reviewer, count, now }: AuthorityOptions): Authority {
  const ask = createAnswers<boolean>({ isYes: allowed => allowed, yesMs: allowedMs, noMs: deniedMs, most: mostRights, now })

  const may: Authority['may'] = async (principal, right, options) => {
    try {
      return await ask(keyOf(principal, right), () => reviewer.allowed(principal, right), options)
    } catch (error) {
      throw unanswered(error)
    }
  }

  return {
    may,
    async demand (principal, right, options) {
      if (await may(principal, right, options)) return
      count?.('ephemera_forbidden_total')
      const { verb, resource, subresource, namespace } = right
      const what = `${verb} ${resource}${subresource ? `/${subresource}` : ''}${namespace === '' ? '' : ` in namespace "${namespace}"`}`
      throw new Problem('EPH_FORBIDDEN', `Cannot ${what}: ${missingRule(principal, right)}`)
    }
  }
}

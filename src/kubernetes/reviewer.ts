import type { Reviewer } from '#core/ports/cluster.ts'
import type { Principal, Right } from '#core/principal.ts'
import type { Api } from './api.ts'

/** Somebody waits for each review, and without an answer nothing is allowed. */
const timeoutMs = 3000

export function createReviewer (api: Api): Reviewer {
  async function selfAllowed (right: Right, signal?: AbortSignal): Promise<boolean> {
    const review = await api.call('ask for the rights of Ephemera', options => api.authorization.createSelfSubjectAccessReview({
      body: { spec: { resourceAttributes: attributesOf(right) } }
    }, options), { signal, timeoutMs })
    return review.status?.allowed ?? false
  }

  return {
    selfAllowed,

    async authenticate (token, audiences, signal) {
      const { status } = await api.call('review a token', options => api.authentication.createTokenReview({ body: { spec: { token, audiences } } }, options), { signal, timeoutMs })
      // An authenticator that knows no audiences answers none: the token is then meant for the API server, not for us.
      if (!status?.authenticated || !status.user?.username || !status.audiences?.some(audience => audiences.includes(audience))) return null
      return principalOf(status.user, 'kubernetes')
    },

    async allowed (principal, right, signal) {
      if (principal.authMethod === 'local') return selfAllowed(right, signal)
      const { username, uid, groups, extra } = principal
      const review = await api.call(`ask for the rights of "${username}"`, options => api.authorization.createSubjectAccessReview({
        body: { spec: { user: username, uid, groups, extra, resourceAttributes: attributesOf(right) } }
      }, options), { signal, timeoutMs })
      return review.status?.allowed ?? false
    },

    async self (signal) {
      const { status } = await api.call('ask who Ephemera is', options => api.authentication.createSelfSubjectReview({ body: {} }, options), { signal, timeoutMs })
      return principalOf(status?.userInfo ?? {}, 'local')
    }
  }
}

const attributesOf = ({ group, resource, subresource, verb, namespace }: Right) =>
  ({ group, resource, verb, namespace, ...(subresource ? { subresource } : {}) })

interface UserInfo { username?: string, uid?: string, groups?: string[], extra?: Record<string, string[]> }

const principalOf = ({ username = '', uid = '', groups = [], extra = {} }: UserInfo, authMethod: string): Principal =>
  ({ username, uid, groups, extra, authMethod, actor: null })

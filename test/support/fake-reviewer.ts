import { Problem } from '#core/errors.ts'
import type { Reviewer } from '#core/ports/cluster.ts'
import type { Principal, Right } from '#core/principal.ts'
import { principal } from './samples.ts'

export const down = () => new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot review: the Kubernetes API cannot be reached (ECONNREFUSED)')

/** Reviews as a test says, by a clock that a test sets. */
export function createFakeReviewer () {
  const fake = {
    tokens: new Map<string, Principal>(),
    allowed: async (_principal: Principal, _right: Right): Promise<boolean> => true,
    self: async (): Promise<Principal> => ({ ...principal, username: 'kubernetes-admin', authMethod: 'local' }),
    /** What every review waits for, and what it then throws. */
    before: async (): Promise<void> => {},
    reviewed: [] as { token: string, audiences: string[] }[],
    asked: [] as { principal: Principal, right: Right }[],
    selves: 0,
    milliseconds: 0
  }
  const reviewer: Reviewer = {
    async authenticate (token, audiences) {
      fake.reviewed.push({ token, audiences })
      await fake.before()
      return fake.tokens.get(token) ?? null
    },
    async allowed (principal, right) {
      fake.asked.push({ principal, right })
      await fake.before()
      return await fake.allowed(principal, right)
    },
    selfAllowed: async () => true,
    async self () {
      fake.selves++
      await fake.before()
      return await fake.self()
    }
  }
  return { fake, reviewer, now: () => fake.milliseconds }
}

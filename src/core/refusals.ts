import type { Problem } from './errors.ts'
import type { AuditEvent } from './ports/storage.ts'
import type { Principal } from './principal.ts'
import { dnsLabel } from './schema.ts'

export interface Refusal {
  principal: Principal | null
  /** As the caller wrote it; recorded only if it is a name. */
  namespace: unknown
  object: string
  problem: Problem
}

/**
 * Audit events of what a transport refuses before any use case sees it: malformed requests, unknown fields. What a use case refuses is
 * audited there; `watch` tells the two apart.
 */
export function createRefusals (audit: (event: AuditEvent) => Promise<void>) {
  const seen = new WeakSet<object>()
  const remember = (error: unknown): never => {
    if (error instanceof Error) seen.add(error)
    throw error
  }
  return {
    watch<T extends object> (useCases: T): T {
      return new Proxy(useCases, {
        get (target, name, receiver) {
          const member: unknown = Reflect.get(target, name, receiver)
          if (typeof member !== 'function') return member
          return (...args: unknown[]) => {
            const answer: unknown = member.apply(target, args)
            return answer instanceof Promise ? answer.catch(remember) : answer
          }
        }
      })
    },
    async record ({ principal, namespace, object, problem }: Refusal): Promise<void> {
      // Callers without identity are counted, not recorded: anybody could fill the log.
      if (!principal || problem.status < 400 || problem.status >= 500 || problem.code === 'EPH_RATE_LIMITED' || seen.has(problem)) return
      await audit({
        action: 'refuse',
        outcome: 'denied',
        principal,
        namespace: typeof namespace === 'string' && new RegExp(dnsLabel).test(namespace) ? namespace : null,
        object: object.slice(0, 200),
        code: problem.code,
        detail: { message: problem.message.slice(0, 500), pointers: problem.errors.map(({ pointer }) => pointer.slice(0, 200)) }
      })
    }
  }
}
export type Refusals = ReturnType<typeof createRefusals>

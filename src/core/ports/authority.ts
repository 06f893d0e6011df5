import type { Principal, Right } from '../principal.ts'

/** What a caller may do: asked of Kubernetes for every call. */
export interface Authority {
  /** Allowed answers are cached for at most 10 s; `fresh` goes past the cache. */
  may (principal: Principal, right: Right, options?: { fresh?: boolean }): Promise<boolean>
  /** Rejects with EPH_FORBIDDEN, whose detail names the missing rule as YAML. */
  demand (principal: Principal, right: Right, options?: { fresh?: boolean }): Promise<void>
}

/** What a transport knows of a request before anybody is identified. */
export interface Credentials {
  headers: Record<string, string | string[] | undefined>
  remoteAddress: string
}

/** Rejects with EPH_UNAUTHENTICATED where nobody can be identified. */
export type Authenticate = (credentials: Credentials) => Promise<Principal>

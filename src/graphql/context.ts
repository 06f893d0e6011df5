import type { Principal } from '#core/principal.ts'
import type { UseCases } from '#jobs/use-cases.ts'

/** What resolvers get; the same use cases as REST, with the same checks of rights. */
export interface Context {
  caller: Principal
  useCases: UseCases
  requestsPerMinute: number
  /** Aborted when the caller has gone or the service stops. */
  signal: AbortSignal
}

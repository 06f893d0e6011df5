import { asProblem } from '#core/errors.ts'
import type { AuditEvent } from '#core/ports/storage.ts'
import type { Principal } from '#core/principal.ts'
import type { Context } from './context.ts'

export const auditEvent = (event: Partial<AuditEvent> & Pick<AuditEvent, 'action' | 'object'>): AuditEvent =>
  ({ outcome: 'allowed', principal: null, namespace: null, code: null, detail: {}, ...event })

/** Records an event. Without a database it becomes a log line and a counter: a refusal must still reach its caller. */
export async function record ({ database, log, count }: Pick<Context, 'database' | 'log' | 'count'>, event: AuditEvent): Promise<void> {
  try {
    await database.audit.record(event)
  } catch (error) {
    count('ephemera_audit_rows_lost_total')
    const { principal, ...rest } = event
    log.error({ audit: { ...rest, username: principal?.username ?? null }, err: error }, 'Cannot write an audit row')
  }
}

export interface Attempted {
  action: string
  object: string
  caller: Principal
  /** Null until it is known. */
  namespace: string | null
}

/** Does the work; what is refused or fails leaves an audit event with its code. `work` says the namespace once it knows it. */
export async function audited<T> (context: Context, attempted: Attempted, work: (attempted: Attempted) => Promise<T>): Promise<T> {
  const known = { ...attempted }
  try {
    return await work(known)
  } catch (error) {
    const { action, object, caller, namespace } = known
    const { code, message } = asProblem(error)
    const outcome = ['EPH_FORBIDDEN', 'EPH_NOT_FOUND'].includes(code) ? 'denied' : 'failed'
    await record(context, auditEvent({ action, object, principal: caller, namespace, code, outcome, detail: { message } }))
    throw error
  }
}

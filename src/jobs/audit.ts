import { asProblem, type Problem } from '#core/errors.ts'
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

export interface Attempted { action: string, object: string, caller: Principal, namespace: string | null }

/** Does the work; what is refused or fails leaves an audit event with its code. */
export async function audited<T> (context: Context, { action, object, caller, namespace }: Attempted, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const problem: Problem = asProblem(error)
    const denied = ['EPH_FORBIDDEN', 'EPH_NOT_FOUND'].includes(problem.code)
    await record(context, auditEvent({
      action, object, principal: caller, namespace, code: problem.code, outcome: denied ? 'denied' : 'failed', detail: { message: problem.message }
    }))
    throw error
  }
}

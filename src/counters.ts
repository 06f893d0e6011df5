import { Counter, type Registry } from 'prom-client'

const helps: Record<string, string> = {
  ephemera_audit_rows_lost_total: 'Audit events that could not be written to the database; each is a line of the log',
  ephemera_claims_lost_total: 'Pods of jobs whose end could not be recorded; the sweep ends them',
  ephemera_forbidden_total: 'Rights that a caller needed and did not have',
  ephemera_rings_lost_total: 'Wake-ups that could not be sent; the work was found by a sweep, up to a second later',
  ephemera_unauthenticated_total: 'Requests whose caller could not be identified'
}

/** Counts by name; all counters are there from the start, so that an alert can see the first of a kind. */
export function createCounters (metrics: Registry): (name: string) => void {
  const counters = new Map(Object.entries(helps).map(([name, help]) => [name, new Counter({ name, help, registers: [metrics] })]))
  return name => {
    const counter = counters.get(name)
    if (!counter) throw new TypeError(`Cannot count ${name}: it is not among the counters`)
    counter.inc()
  }
}

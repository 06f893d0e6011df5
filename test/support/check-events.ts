import type { Test } from 'tap'
import type { JobEvent, JobStore } from '#core/ports/storage.ts'

/** The events of a final job have numbers without a gap and times in order, and `end` is the last and the only one. */
export async function checkEvents (t: Test, jobs: JobStore, id: string, state: string): Promise<JobEvent[]> {
  const events = await jobs.events(id, 0, 10_000)
  t.strictSame(events.map(({ seq }) => seq), events.map((_, nth) => nth + 1))
  t.strictSame(events.map(({ at }) => at), events.map(({ at }) => at).sort())
  t.equal(events.filter(({ type }) => type === 'end').length, 1)
  t.match(events.at(-1), { type: 'end', data: { state } })
  t.match(events.at(-2), { type: 'job', data: { state } })
  return events
}

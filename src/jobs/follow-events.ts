import { isFinal } from '#core/job.ts'
import type { JobEvent } from '#core/ports/storage.ts'
import { watchChanges } from './changes.ts'
import type { Context } from './context.ts'
import { followPlace } from './queue-places.ts'

const eventsAtOnce = 200

/** Events of a job after a number, then those that come, until `end` or the signal. */
export async function * followEvents ({ database }: Context, id: string, afterSeq: number, signal: AbortSignal): AsyncIterable<JobEvent> {
  const { jobs } = database
  const changes = watchChanges(jobs, id, signal)
  const queue = followPlace(jobs, id, changes.ring)
  let seq = afterSeq
  try {
    while (!signal.aborted) {
      const events = await jobs.events(id, seq, eventsAtOnce)
      for (const event of events) {
        seq = event.seq
        if (event.type === 'job') queue.setWaiting(event.data.state === 'queued')
        yield event.type === 'output' ? await withText(database, id, event) : event
        if (event.type === 'end') return
      }
      if (events.length === eventsAtOnce) continue
      if (events.length === 0) {
        const job = await jobs.find(id)
        // Nothing can follow for a job that had ended before it was looked at.
        if (isFinal(job?.state ?? 'expired') && (await jobs.events(id, seq, 1)).length === 0) return
        changes.alsoOf(job?.deduplicatedFrom ?? null)
        queue.setWaiting(job?.state === 'queued')
      }
      const position = queue.news()
      // Nobody would want to read later where it stood: it is told, and not kept.
      if (position !== null) yield { seq, type: 'queue', data: { position }, at: new Date().toISOString() }
      await changes.next()
    }
  } finally {
    queue.close()
    changes.close()
  }
}

/** The event only points to what was stored; its text is read when somebody listens. */
async function withText ({ runs }: Context['database'], jobId: string, event: JobEvent): Promise<JobEvent> {
  const { runId, stream, offset, bytes, jobId: source = jobId } = event.data as
    { runId: string, stream: 'stdout' | 'stderr', offset: number, bytes: number, jobId?: string }
  const text = await runs.output({ id: runId, jobId: source }, stream, offset, bytes)
  return { ...event, data: { runId, stream, offset, text: text.toString('utf8') } }
}

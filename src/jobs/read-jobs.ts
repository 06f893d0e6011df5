import { createHash } from 'node:crypto'
import { isFinal, type Job } from '#core/job.ts'
import type { JobEvent } from '#core/ports/storage.ts'
import { right, type Principal } from '#core/principal.ts'
import { audited } from './audit.ts'
import { watchChanges } from './changes.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, visibleNamespaces } from './visible.ts'
import { whileAllowed } from './watch-rights.ts'

const eventsAtOnce = 200

/** Tells two states of a job apart, for conditional reads. */
export const versionOf = (job: Job): string => createHash('sha256').update(JSON.stringify(job)).digest('base64url').slice(0, 22)

type JobReads = Pick<UseCases, 'job' | 'jobs' | 'jobPods' | 'wait' | 'events'>

export function createJobReads (context: Context): JobReads {
  const { database: { jobs } } = context
  const see = async (caller: Principal, id: string): Promise<Job> =>
    await audited(context, { action: 'read', caller, namespace: null, object: `job ${id}` }, async () =>
      await demandSeen(context, caller, await jobs.find(id), `job ${id}`))

  return {
    job: see,

    async jobs (caller, { namespaces, ...filter }, page) {
      return await jobs.list({ ...filter, namespaces: await visibleNamespaces(context, caller, namespaces) }, page)
    },

    async jobPods (caller, id, page) {
      await see(caller, id)
      return await jobs.pods(id, page)
    },

    async wait (caller, id, { seconds, signal, knownVersion }) {
      const until = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)])
      // Watched before the first look: a change in between is not missed.
      const changes = watchChanges(jobs, id, until)
      try {
        let job = await see(caller, id)
        const isNews = () => isFinal(job.state) || (knownVersion !== undefined && versionOf(job) !== knownVersion)
        while (!isNews() && !until.aborted) {
          await changes.next()
          job = await jobs.find(id) ?? job
        }
        return job
      } finally {
        changes.close()
      }
    },

    async * events (caller, id, { afterSeq, signal }) {
      const { namespace } = await see(caller, id)
      yield * whileAllowed(context, caller, [right('watch', 'jobs', namespace)], ending =>
        followEvents(context, id, afterSeq, AbortSignal.any([signal, ending])))
    }
  }
}

async function * followEvents (context: Context, id: string, afterSeq: number, signal: AbortSignal): AsyncIterable<JobEvent> {
  const { jobs } = context.database
  const changes = watchChanges(jobs, id, signal)
  let seq = afterSeq
  try {
    while (!signal.aborted) {
      const events = await jobs.events(id, seq, eventsAtOnce)
      for (const event of events) {
        seq = event.seq
        yield event.type === 'output' ? await withText(context, id, event) : event
        if (event.type === 'end') return
      }
      if (events.length === eventsAtOnce) continue
      // Nothing can follow for a job that had ended before it was looked at.
      if (events.length === 0 && isFinal((await jobs.find(id))?.state ?? 'expired') && (await jobs.events(id, seq, 1)).length === 0) return
      await changes.next()
    }
  } finally {
    changes.close()
  }
}

/** The event only points to what was stored; its text is read when somebody listens. */
async function withText ({ database }: Context, jobId: string, event: JobEvent): Promise<JobEvent> {
  const { runId, stream, offset, bytes } = event.data as { runId: string, stream: 'stdout' | 'stderr', offset: number, bytes: number }
  const text = await database.runs.output({ id: runId, jobId }, stream, offset, bytes)
  return { ...event, data: { runId, stream, offset, text: text.toString('utf8') } }
}

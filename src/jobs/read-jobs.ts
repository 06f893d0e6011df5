import { isFinal } from '#core/job.ts'
import { right } from '#core/principal.ts'
import { versionOf } from '#core/version-of.ts'
import { audited } from './audit.ts'
import { watchChanges } from './changes.ts'
import type { Context } from './context.ts'
import { followEvents } from './follow-events.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, listVisible, readVisible } from './visible.ts'
import { whileAllowed } from './watch-rights.ts'

type JobReads = Pick<UseCases, 'job' | 'jobs' | 'jobPods' | 'wait' | 'events'>

export function createJobReads (context: Context): JobReads {
  const { database: { jobs }, authority } = context
  const see = readVisible(context, 'job', id => jobs.find(id))

  return {
    job: see,
    jobs: listVisible(context, 'jobs', (filter, page) => jobs.list(filter, page)),

    async jobPods (caller, id, page) {
      await see(caller, id)
      return await jobs.pods(id, page)
    },

    async wait (caller, id, { seconds, signal, knownVersion, launched }) {
      const until = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)])
      // Watched before the first look: a change in between is not missed.
      const changes = watchChanges(jobs, id, until)
      try {
        let job = launched ?? await see(caller, id)
        const isNews = () => isFinal(job.state) || (knownVersion !== undefined && versionOf(job) !== knownVersion)
        while (!isNews() && !until.aborted) {
          changes.alsoOf(job.deduplicatedFrom)
          await (knownVersion === undefined ? changes.nearEnd() : changes.next())
          job = await jobs.find(id) ?? job
        }
        return job
      } finally {
        changes.close()
      }
    },

    async events (caller, id, { afterSeq, signal }) {
      const rights = await audited(context, { action: 'watch', caller, namespace: null, object: `job ${id}` }, async attempted => {
        const { namespace } = await demandSeen(context, caller, await jobs.find(id), attempted)
        await authority.demand(caller, right('watch', 'jobs', namespace))
        return [right('get', 'jobs', namespace), right('watch', 'jobs', namespace)]
      })
      return whileAllowed(context, caller, rights, ending => followEvents(context, id, afterSeq, AbortSignal.any([signal, ending])))
    }
  }
}

import { right } from '#core/principal.ts'
import type { Run } from '#core/run.ts'
import { auditEvent, audited, record } from './audit.ts'
import { watchChanges } from './changes.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, listVisible, readVisible } from './visible.ts'
import { whileAllowed } from './watch-rights.ts'

const sliceBytes = 256 << 10

export function createRunReads (context: Context): Pick<UseCases, 'run' | 'runs' | 'output'> {
  const { database: { runs }, authority } = context

  return {
    run: readVisible(context, 'run', id => runs.find(id)),
    runs: listVisible(context, 'runs', (filter, page) => runs.list(filter, page)),

    async output (caller, id, { stream, raw, follow, signal }) {
      const attempt = { action: 'read-output', caller, namespace: null, object: `run ${id}` }
      return await audited(context, attempt, async attempted => {
        const run = await demandSeen(context, caller, await runs.find(id), attempted)
        const { namespace } = run
        const rights = [right('get', 'jobs', namespace), ...(raw ? [right('get', 'payloads', namespace)] : [])]
        for (const needed of rights) await authority.demand(caller, needed)
        const { action, object } = attempt
        await record(context, auditEvent({ action, principal: caller, namespace, object, detail: { stream, raw } }))
        const content = whileAllowed(context, caller, rights, ending =>
          readOutput(context, run, stream, { follow, signal: AbortSignal.any([signal, ending]) }))
        return { run, content }
      })
    }
  }
}

interface ReadOptions { follow: boolean, signal: AbortSignal }

async function * readOutput (
  { database: { runs, jobs } }: Context, run: Run, stream: 'stdout' | 'stderr', { follow, signal }: ReadOptions
): AsyncIterable<Buffer> {
  const changes = watchChanges(jobs, run.jobId, signal)
  let offset = 0
  try {
    while (!signal.aborted) {
      // Asked before the bytes: what an ended run has stored by then is all of it.
      const isWhole = !follow || (await runs.find(run.id))?.endedAt !== null
      for (;;) {
        const bytes = await runs.output(run, stream, offset, sliceBytes)
        if (bytes.length === 0) break
        offset += bytes.length
        yield bytes
        if (signal.aborted) return
      }
      if (isWhole) return
      await changes.next()
    }
  } finally {
    changes.close()
  }
}

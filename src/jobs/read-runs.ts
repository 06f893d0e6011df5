import { setTimeout as delay } from 'node:timers/promises'
import { right, type Principal } from '#core/principal.ts'
import type { Run } from '#core/run.ts'
import { auditEvent, audited, record } from './audit.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, visibleNamespaces } from './visible.ts'
import { whileAllowed } from './watch-rights.ts'

const sliceBytes = 256 << 10
const followMs = 250

export function createRunReads (context: Context): Pick<UseCases, 'run' | 'runs' | 'output'> {
  const { database: { runs }, authority } = context
  const see = async (caller: Principal, id: string): Promise<Run> => await demandSeen(context, caller, await runs.find(id), `run ${id}`)

  return {
    run: (caller, id) => audited(context, { action: 'read', caller, namespace: null, object: `run ${id}` }, () => see(caller, id)),

    async runs (caller, { namespaces, ...filter }, page) {
      return await runs.list({ ...filter, namespaces: await visibleNamespaces(context, caller, namespaces) }, page)
    },

    async output (caller, id, { stream, raw, follow, signal }) {
      const object = `run ${id} ${stream}${raw ? ' raw' : ''}`
      return await audited(context, { action: 'read-output', caller, namespace: null, object }, async () => {
        const run = await see(caller, id)
        const rights = [right('get', 'jobs', run.namespace), ...(raw ? [right('get', 'payloads', run.namespace)] : [])]
        for (const needed of rights) await authority.demand(caller, needed)
        await record(context, auditEvent({ action: 'read-output', principal: caller, namespace: run.namespace, object }))
        const content = whileAllowed(context, caller, rights, ending =>
          readOutput(context, run, stream, { follow, signal: AbortSignal.any([signal, ending]) }))
        return { run, content }
      })
    }
  }
}

interface ReadOptions { follow: boolean, signal: AbortSignal }

async function * readOutput ({ database: { runs } }: Context, run: Run, stream: 'stdout' | 'stderr', { follow, signal }: ReadOptions): AsyncIterable<Buffer> {
  let offset = 0
  while (!signal.aborted) {
    // Asked before the bytes: what an ended run has stored by then is all of it.
    const ended = !follow || (await runs.find(run.id))?.endedAt !== null
    for (;;) {
      const bytes = await runs.output(run, stream, offset, sliceBytes)
      if (bytes.length === 0) break
      offset += bytes.length
      yield bytes
    }
    if (ended) return
    await delay(followMs, undefined, { signal }).catch(() => {})
  }
}

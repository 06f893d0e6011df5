import { setTimeout as delay } from 'node:timers/promises'
import { Problem } from '#core/errors.ts'
import { right, type Principal } from '#core/principal.ts'
import type { Artifact } from '#core/run.ts'
import { auditEvent, audited, record } from './audit.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, visibleNamespaces } from './visible.ts'
import { whileAllowed } from './watch-rights.ts'

const followMs = 500

export function createArtifactReads (context: Context): Pick<UseCases, 'artifact' | 'artifacts' | 'content'> {
  const { database: { artifacts }, authority } = context
  const see = async (caller: Principal, id: string): Promise<Artifact> =>
    await demandSeen(context, caller, await artifacts.find(id), `artifact ${id}`)

  return {
    artifact: (caller, id) => audited(context, { action: 'read', caller, namespace: null, object: `artifact ${id}` }, () => see(caller, id)),

    async artifacts (caller, { namespaces, ...filter }, page) {
      return await artifacts.list({ ...filter, namespaces: await visibleNamespaces(context, caller, namespaces) }, page)
    },

    async content (caller, id, { start, end, follow, signal }) {
      const object = `artifact ${id} content`
      return await audited(context, { action: 'read-artifact', caller, namespace: null, object }, async () => {
        const artifact = await see(caller, id)
        const needed = right('get', 'payloads', artifact.namespace)
        await authority.demand(caller, needed)
        if (artifact.state === 'expired') {
          throw new Problem('EPH_ARTIFACT_EXPIRED', `Cannot read artifact ${id}: it has expired; it had ${artifact.sizeBytes} bytes, sha256 ${artifact.sha256}`)
        }
        await record(context, auditEvent({ action: 'read-artifact', principal: caller, namespace: artifact.namespace, object, detail: { start, end } }))
        const content = whileAllowed(context, caller, [needed], ending =>
          readSegments(context, artifact, { start, end, follow, signal: AbortSignal.any([signal, ending]) }))
        return { artifact, content }
      })
    }
  }
}

interface Range { start: number, end: number | null, follow: boolean, signal: AbortSignal }

async function * readSegments (context: Context, artifact: Artifact, { start, end, follow, signal }: Range): AsyncIterable<Uint8Array> {
  const { database: { artifacts }, bucket } = context
  let offset = start
  // What is announced as the length is what is sent, even if the artifact has grown meanwhile.
  const until = follow ? end ?? Infinity : end ?? artifact.sizeBytes
  while (offset < until && !signal.aborted) {
    const sealed = !follow || (await artifacts.find(artifact.id))?.state !== 'growing'
    for (const segment of await artifacts.segments(artifact.id, offset)) {
      if (segment.offset >= until || signal.aborted) break
      const from = offset - segment.offset
      const length = Math.min(segment.sizeBytes, until - segment.offset) - from
      for await (const part of await bucket.get(segment.key, from, length)) {
        if (signal.aborted) return
        yield part
      }
      offset += length
    }
    if (sealed) return
    await delay(followMs, undefined, { signal }).catch(() => {})
  }
}

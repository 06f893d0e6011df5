import { Problem } from '#core/errors.ts'
import { right } from '#core/principal.ts'
import { auditEvent, audited, record } from './audit.ts'
import type { Context } from './context.ts'
import { readSegments } from './read-segments.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, listVisible, readVisible } from './visible.ts'
import { whileAllowed } from './watch-rights.ts'

export function createArtifactReads (context: Context): Pick<UseCases, 'artifact' | 'artifacts' | 'content'> {
  const { database: { artifacts }, authority } = context

  return {
    artifact: readVisible(context, 'artifact', id => artifacts.find(id)),
    artifacts: listVisible(context, 'artifacts', (filter, page) => artifacts.list(filter, page)),

    async content (caller, id, { start, end, follow, signal }) {
      const attempt = { action: 'read-artifact', caller, namespace: null, object: `artifact ${id}` }
      return await audited(context, attempt, async attempted => {
        const artifact = await demandSeen(context, caller, await artifacts.find(id), attempted)
        const { namespace } = artifact
        const needed = right('get', 'payloads', namespace)
        await authority.demand(caller, needed)
        if (artifact.state === 'expired') {
          throw new Problem('EPH_ARTIFACT_EXPIRED', `Cannot read artifact ${id}: it has expired; it had ${artifact.sizeBytes} bytes, sha256 ${artifact.sha256}`)
        }
        const { action, object } = attempt
        await record(context, auditEvent({ action, principal: caller, namespace, object, detail: { start, end } }))
        const content = whileAllowed(context, caller, [right('get', 'jobs', namespace), needed], ending =>
          readSegments(context, artifact, { start, end, follow, signal: AbortSignal.any([signal, ending]) }))
        return { artifact, content }
      })
    }
  }
}

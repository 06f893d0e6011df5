import { Problem } from '#core/errors.ts'
import { right } from '#core/principal.ts'
import type { Session } from '#core/session.ts'
import { auditEvent, audited, record } from './audit.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, listVisible, readVisible } from './visible.ts'

const closeSeconds = 20

export function createSessionUses (context: Context): Pick<UseCases, 'session' | 'sessions' | 'closeSession'> {
  const { database: { sessions }, channels, authority } = context

  async function endContainer ({ id, namespace, pod, podUid, node, ephemeralContainer: container }: Session): Promise<void> {
    const place = { namespace, pod, podUid, node, container }
    const limit = AbortSignal.timeout(closeSeconds * 1000)
    try {
      const channel = await channels.open(place, limit)
      await channel.closeContainer()
    } catch (error) {
      // A container that has ended, or whose pod is gone, is closed already.
      if (['containerEnded', 'oom', 'podGone'].includes(await channels.postMortem(place))) return
      if (!limit.aborted) throw error
      throw new Problem('EPH_CHANNEL_LOST', `Cannot close session ${id}: its container does not answer`, { cause: error })
    }
  }

  return {
    session: readVisible(context, 'session', id => sessions.find(id)),
    sessions: listVisible(context, 'sessions', (filter, page) => sessions.list(filter, page)),

    async closeSession (caller, id) {
      const attempt = { action: 'close-session', caller, namespace: null, object: `session ${id}` }
      return await audited(context, attempt, async attempted => {
        const session = await demandSeen(context, caller, await sessions.find(id), attempted)
        const { namespace } = session
        await authority.demand(caller, right('delete', 'sessions', namespace))
        if (session.state === 'closed') return session
        await endContainer(session)
        await sessions.close(id, `closed by ${caller.username}`)
        await record(context, auditEvent({ action: attempt.action, principal: caller, namespace, object: attempt.object }))
        const closed = await sessions.find(id)
        if (!closed) throw new Problem('EPH_NOT_FOUND', `Cannot find session ${id}: it was removed meanwhile`)
        return closed
      })
    }
  }
}

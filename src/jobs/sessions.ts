import { Problem } from '#core/errors.ts'
import { right, type Principal } from '#core/principal.ts'
import type { Session } from '#core/session.ts'
import { auditEvent, audited, record } from './audit.ts'
import type { Context } from './context.ts'
import type { UseCases } from './use-cases.ts'
import { demandSeen, visibleNamespaces } from './visible.ts'

const closeSeconds = 20

export function createSessionUses (context: Context): Pick<UseCases, 'session' | 'sessions' | 'closeSession'> {
  const { database: { sessions }, channels, authority } = context
  const see = async (caller: Principal, id: string): Promise<Session> =>
    await demandSeen(context, caller, await sessions.find(id), `session ${id}`)

  async function endContainer (session: Session): Promise<void> {
    const { namespace, pod, podUid, node, ephemeralContainer: container } = session
    const place = { namespace, pod, podUid, node, container }
    try {
      const channel = await channels.open(place, AbortSignal.timeout(closeSeconds * 1000))
      await channel.closeContainer()
    } catch (error) {
      // A container that has ended, or whose pod is gone, is closed already.
      if (!['containerEnded', 'oom', 'podGone'].includes(await channels.postMortem(place))) throw error
    }
  }

  return {
    session: (caller, id) => audited(context, { action: 'read', caller, namespace: null, object: `session ${id}` }, () => see(caller, id)),

    async sessions (caller, { namespaces, ...filter }, page) {
      return await sessions.list({ ...filter, namespaces: await visibleNamespaces(context, caller, namespaces) }, page)
    },

    async closeSession (caller, id) {
      const object = `session ${id}`
      return await audited(context, { action: 'close-session', caller, namespace: null, object }, async () => {
        const session = await see(caller, id)
        await authority.demand(caller, right('delete', 'sessions', session.namespace))
        if (session.state === 'closed') return session
        await endContainer(session)
        await sessions.close(id, `closed by ${caller.username}`)
        await record(context, auditEvent({ action: 'close-session', principal: caller, namespace: session.namespace, object }))
        const closed = await sessions.find(id)
        if (!closed) throw new Problem('EPH_NOT_FOUND', `Cannot find session ${id}: it was removed meanwhile`)
        return closed
      })
    }
  }
}

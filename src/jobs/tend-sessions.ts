import { asProblem } from '#core/errors.ts'
import type { Session } from '#core/session.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Context } from './context.ts'
import { hasContainer } from './find-or-inject.ts'

const sessionsAtOnce = 100
/** Whoever uses a session finds out by himself whether it lives. */
const unusedMs = 3_600_000
const injectSeconds = 60

/** Closes rows of sessions that have ended while nobody used them: a holder leaves after a week without a channel, and pods go. */
export function createSessionTending (context: Context) {
  const { database: { sessions, leases }, reader, log } = context
  let after: string | null = null

  /** A row without a container is completed by whoever wants a session of its key: but not while this lease is held. */
  async function closeAbandoned (session: Session): Promise<void> {
    const lease = `inject:${session.podUid}`
    const holder = uuidv7()
    if (!await leases.acquire(lease, holder, injectSeconds)) return
    try {
      const pod = await reader.pod(session.namespace, session.pod)
      if (pod?.uid === session.podUid && !hasContainer(pod, session)) await sessions.close(session.id, 'never injected')
    } finally {
      await leases.release(lease, holder)
    }
  }

  async function tend (session: Session): Promise<void> {
    try {
      const pod = await reader.pod(session.namespace, session.pod)
      const container = pod?.ephemeral.find(({ name }) => name === session.ephemeralContainer)
      if (pod?.uid !== session.podUid) await sessions.close(session.id, 'the pod is gone')
      else if (container?.exitReason) await sessions.close(session.id, `the container ended: ${container.exitReason}`)
      else if (!container) await closeAbandoned(session)
    } catch (error) {
      // A namespace that our account may no longer read keeps the others from nothing.
      if (asProblem(error).code !== 'EPH_ACCOUNT_FORBIDDEN') throw error
      log.info({ sessionId: session.id, err: error }, 'Cannot tell whether a session lives')
    }
  }

  /** Looks at the next hundred. */
  return async function tendSessions (): Promise<void> {
    const { items, nextCursor } = await sessions.list({ namespaces: null, state: ['opening', 'open'] }, { limit: sessionsAtOnce, after })
    after = nextCursor
    // eslint-disable-next-line no-restricted-properties -- of an hour, the minutes by which clocks may differ do not matter
    const unusedSince = Date.now() - unusedMs
    for (const session of items) if (Date.parse(session.lastUsedAt) < unusedSince) await tend(session)
  }
}

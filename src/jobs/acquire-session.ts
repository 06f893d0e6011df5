import { asProblem } from '#core/errors.ts'
import type { Channel, ContainerPlace } from '#core/ports/channel.ts'
import type { Session } from '#core/session.ts'
import type { Context } from './context.ts'
import { findOrInject, hasContainer, type Found, type Wish } from './find-or-inject.ts'
import { unlessAborted } from './unless-aborted.ts'

export interface Acquired { session: Session, place: ContainerPlace, channel: Channel, reused: boolean }

/** A channel to a living session of a key, or to a new one: its row comes first, then its container. */
export function createAcquireSession (context: Context) {
  const { database: { sessions }, channels, turns } = context
  /** Under way in this process, by key: those who wish for the same wait for one. */
  const searches = new Map<string, Promise<Found>>()

  async function search (wish: Wish): Promise<Found> {
    const key = JSON.stringify(wish.plan.key)
    const other = searches.get(key)
    if (other) return { ...await other, reused: true }
    // Without anybody's signal: whoever is cancelled must not cancel the others, nor leave a PATCH of which nobody knows the end.
    const mine = turns.through(wish.plan.pod.node ?? '', () => findOrInject(context, wish)).finally(() => { searches.delete(key) })
    searches.set(key, mine)
    return await mine
  }

  /** Null where the container turned out to have ended, and another one may do better: then its row is closed. */
  async function connect (wish: Wish, { session, reused }: Found, signal: AbortSignal, isLastTry = false): Promise<Acquired | null> {
    const { pod: { namespace, name, uid, node } } = wish.plan
    const place = { namespace, pod: name, podUid: uid, node, container: session.ephemeralContainer }
    try {
      const channel = await channels.open(place, signal)
      if (session.state === 'opening') {
        session.state = 'open' // the others who waited for it need not write it again
        await sessions.opened(session.id)
      }
      return { session, place, channel, reused }
    } catch (error) {
      signal.throwIfAborted()
      const problem = asProblem(error)
      if (!await hasEnded(place, problem.code)) throw error
      await sessions.close(session.id, problem.message)
      // One just made that has ended would have successors like it, and without its pod there is none.
      if (isLastTry || !reused || problem.code === 'EPH_POD_GONE') throw error
      return null
    }
  }

  async function hasEnded (place: ContainerPlace, code: string): Promise<boolean> {
    if (code === 'EPH_POD_GONE' || code === 'EPH_IMAGE_WITHOUT_RUNNER') return true
    // Everything else may pass: an image that cannot be pulled is tried again by the kubelet, in the same container.
    if (code !== 'EPH_CONTAINER_NOT_STARTED' && code !== 'EPH_CHANNEL_LOST') return false
    return ['oom', 'containerEnded'].includes(await channels.postMortem(place))
  }

  return async function acquireSession (wish: Wish, signal: AbortSignal): Promise<Acquired> {
    const { session, pod } = wish.plan
    if (session && hasContainer(pod, session)) {
      const acquired = await connect(wish, { session, reused: true }, signal)
      if (acquired) return acquired
    }
    const acquired = await connect(wish, await unlessAborted(search(wish), signal), signal)
    return acquired ?? (await connect(wish, await unlessAborted(search(wish), signal), signal, true))!
  }
}
export type AcquireSession = ReturnType<typeof createAcquireSession>

import { Problem } from '#core/errors.ts'
import type { Channel, Channels, ContainerPlace, Hello } from '#core/ports/channel.ts'
import type { Turns } from '#core/ports/turns.ts'
import type { RunnerChannel } from './channel.ts'
import { createGate } from './gate.ts'

export interface PoolLimits {
  /** Rights are checked only when a channel opens: after this time it takes no new run. */
  maxAgeMs: number
  idleMs: number
  maxChannels: number
  openingsPerNode: number
}
export const poolLimits: PoolLimits = { maxAgeMs: 50 * 60_000, idleMs: 60_000, maxChannels: 512, openingsPerNode: 8 }

/** Nodes come and go. */
const maxNodes = 10_000

/** Opens one channel; `changed` is called when a run of it has ended and when it has. */
export type OpenOne = (place: ContainerPlace, changed: () => void, signal: AbortSignal) => Promise<RunnerChannel>

interface Opening { channel: Promise<RunnerChannel>, controller: AbortController, waiters: number }
interface Living { channel: RunnerChannel, openedAt: number, idleSince: number, timer: NodeJS.Timeout | undefined }

/** For one process alone: its gate is what counts. */
const alone: Turns = { through: (_node, work) => work() }

/** The channels of this process: one to each container, shared by all its runs. `turns`: taken by node with all other processes. */
export function createChannels (
  openOne: OpenOne, postMortem: Channels['postMortem'], limits: PoolLimits = poolLimits, turns: Turns = alone
): Channels {
  const gate = createGate(limits.openingsPerNode)
  const openings = new Map<string, Opening>()
  const living = new Map<string, Living>()
  // They take no new run, and end with their last one.
  const retired = new Set<RunnerChannel>()
  const hellos = new Map<string, Hello>()
  let isClosed = false

  /** Looks again at a channel whose runs or whose life have ended. */
  function review (key: string, entry: Living): void {
    clearTimeout(entry.timer)
    if (!entry.channel.isOpen) {
      if (living.get(key) === entry) living.delete(key)
      if (entry.channel.runCount === 0) retired.delete(entry.channel)
      return
    }
    if (entry.channel.runCount > 0) return
    entry.idleSince = performance.now()
    entry.timer = setTimeout(() => {
      if (entry.channel.runCount === 0) entry.channel.close('it was idle')
    }, limits.idleMs).unref()
  }

  function retire (key: string, { channel, timer }: Living): void {
    clearTimeout(timer)
    living.delete(key)
    retired.add(channel)
    channel.retire()
  }

  function usable (key: string): RunnerChannel | null {
    const entry = living.get(key)
    if (!entry?.channel.isOpen) return null
    if (performance.now() - entry.openedAt > limits.maxAgeMs) {
      retire(key, entry)
      return null
    }
    review(key, entry)
    return entry.channel
  }

  function makeRoom (): void {
    if (living.size + retired.size + openings.size < limits.maxChannels) return
    const [oldest] = [...living.values()].filter(({ channel }) => channel.runCount === 0).sort((a, b) => a.idleSince - b.idleSince)
    if (!oldest) throw new Problem('EPH_CHANNEL_LOST', `Cannot open a channel: ${limits.maxChannels} are open in this process, and none is idle`)
    oldest.channel.close('its place was needed')
  }

  function startOpening (key: string, place: ContainerPlace): Opening {
    makeRoom()
    const controller = new AbortController()
    let entry: Living | null = null
    const changed = () => { if (entry) review(key, entry) }
    const { signal } = controller
    const open = () => turns.through(place.node ?? '', () => openOne(place, changed, signal), signal)
    const channel = gate.through(place.node ?? '', signal, open).then(channel => {
      if (isClosed) channel.close('the service stops')
      if (hellos.size > maxNodes) hellos.clear()
      hellos.set(place.node ?? '', channel.hello)
      entry = { channel, openedAt: performance.now(), idleSince: performance.now(), timer: undefined }
      living.set(key, entry)
      review(key, entry)
      return channel
    }).finally(() => {
      if (openings.get(key) === opening) openings.delete(key)
    })
    channel.catch(() => {}) // those who wait for it hear of it
    const opening: Opening = { channel, controller, waiters: 0 }
    openings.set(key, opening)
    return opening
  }

  return {
    async open (place, signal): Promise<Channel> {
      signal.throwIfAborted()
      if (isClosed) throw new Problem('EPH_SHUTDOWN', 'Cannot open a channel: the service stops', { effect: 'none' })
      const key = `${place.podUid}/${place.container}`
      const channel = usable(key)
      if (channel) return channel
      const opening = openings.get(key) ?? startOpening(key, place)
      opening.waiters++
      const givenUp = Promise.withResolvers<never>()
      const abort = () => givenUp.reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      try {
        return await Promise.race([opening.channel, givenUp.promise])
      } finally {
        signal.removeEventListener('abort', abort)
        // One who leaves must not end what others wait for.
        if (--opening.waiters === 0 && openings.get(key) === opening) {
          openings.delete(key)
          opening.controller.abort(new Error('Nobody waits for the channel any more'))
        }
      }
    },

    hellos: () => hellos,

    postMortem,

    async close () {
      isClosed = true
      for (const { controller } of openings.values()) controller.abort(new Problem('EPH_SHUTDOWN', 'Cannot open a channel: the service stops', { effect: 'none' }))
      for (const channel of [...[...living.values()].map(({ channel }) => channel), ...retired]) channel.close('the service stops')
      await Promise.allSettled([...openings.values()].map(({ channel }) => channel))
    }
  }
}

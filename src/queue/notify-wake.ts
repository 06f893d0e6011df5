import { setTimeout as delay } from 'node:timers/promises'
import type { Wake } from '#core/ports/wake.ts'
import { shareCalls } from '#core/share-calls.ts'
import { unavailable } from './unavailable.ts'
import { within } from './within.ts'

/** LISTEN and NOTIFY of Postgres, whose own sender hears nothing of what it sends. */
export interface Notifications {
  listen (channel: string, heard: () => void): () => void
  /** Resolves false where nothing was sent. */
  notify (channel: string, payload: string): Promise<boolean>
}

const wakeChannel = 'ephemera_wake'
/** Nobody listens to it: what is sent there asks only whether Postgres answers. */
const checkChannel = 'ephemera_check'
const answerMs = 2000
/** Rings that come so close together wake the other processes once: each NOTIFY is a commit. */
const gatherMs = 10

/** For one machine without Redis: a ring wakes all listeners, and whoever comes too late finds the work claimed. */
export function createNotifyWake ({ listen, notify }: Notifications): Wake {
  const listeners = new Map<() => void, () => void>()
  const share = shareCalls<void>()
  let isClosed = false

  async function send (channel: string): Promise<void> {
    if (!await within(answerMs, notify(channel, ''))) throw new Error('the connection that listens is lost')
  }

  function stop (rung: () => void): void {
    listeners.get(rung)?.()
    listeners.delete(rung)
  }

  return {
    async ring () {
      if (isClosed) throw unavailable('ring for work', new Error('the queue is closed'))
      for (const rung of [...listeners.keys()]) rung()
      try {
        await share(wakeChannel, () => delay(gatherMs).then(() => send(wakeChannel)))
      } catch (error) {
        // Where a listener of this process was woken, the ring has done its work.
        if (listeners.size === 0) throw unavailable('ring for work', error)
      }
    },

    async listen (callback) {
      if (isClosed) throw unavailable('listen for rings', new Error('the queue is closed'))
      // Its own, so that the same callback may listen twice.
      const rung = () => callback()
      listeners.set(rung, listen(wakeChannel, rung))
      // Answered on the same connection after its LISTEN. Where it is lost, the next one listens, and says that it does.
      await send(checkChannel).catch(() => {})
      return async () => stop(rung)
    },

    async check () {
      try {
        await send(checkChannel)
      } catch (error) {
        throw unavailable('reach the queue', error)
      }
    },

    async close () {
      isClosed = true
      for (const rung of listeners.keys()) stop(rung)
    }
  }
}

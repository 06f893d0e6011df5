import { setTimeout as delay } from 'node:timers/promises'
import type { Notifications } from './notifications.ts'

export interface JobChanges {
  /** To be called after the commit. */
  changed (jobId: string): void
  watch (jobId: string, changed: () => void): () => void
  close (): Promise<void>
}

const channel = 'ephemera_job'
/** A payload has room for 8,000 bytes. */
const idsPerNotification = 200
/** So late at most does somebody look again whose notification was lost with the process that owed it. */
const lookAgainMs = 5000
/** A job changes several times in a moment, and others hear of that early enough. */
const gatherMs = 25

/**
 * Who waits for a job in this process is told at once, the others by NOTIFY. NOTIFY is not part of the transactions that change jobs: it
 * would make all their commits queue behind one lock. Changes that come while one is under way travel together.
 */
export function createJobChanges (notifications: Notifications): JobChanges {
  const watchers = new Map<string, Set<() => void>>()
  const owed = new Set<string>()
  let sending: Promise<void> | null = null

  const tell = (jobId: string) => { for (const changed of [...watchers.get(jobId) ?? []]) changed() }
  const tellAll = () => { for (const jobId of [...watchers.keys()]) tell(jobId) }

  async function send (): Promise<void> {
    await delay(gatherMs)
    while (owed.size > 0) {
      const ids = [...owed].slice(0, idsPerNotification)
      for (const id of ids) owed.delete(id)
      await notifications.notify(channel, ids.join(','))
    }
    sending = null
  }

  const stop = notifications.listen(channel, payload => payload === null ? tellAll() : payload.split(',').forEach(tell))
  const timer = setInterval(tellAll, lookAgainMs).unref()

  return {
    changed (jobId) {
      tell(jobId)
      owed.add(jobId)
      sending ??= send()
    },
    watch (jobId, changed) {
      const set = watchers.get(jobId) ?? new Set()
      watchers.set(jobId, set.add(changed))
      return () => {
        set.delete(changed)
        if (set.size === 0 && watchers.get(jobId) === set) watchers.delete(jobId)
      }
    },
    async close () {
      clearInterval(timer)
      stop()
      await sending
    }
  }
}

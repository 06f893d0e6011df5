import { perObject } from '#core/per-object.ts'
import type { JobStore } from '#core/ports/storage.ts'

/** Most jobs do not wait so long: nobody asks for them. */
const firstMs = 250
const everyMs = 1000
/** Asking takes this part of the database's time at most, however long the queue. */
const busyShare = 0.05

type Tell = (place: number | null) => void

/** Where jobs stand in the queue, asked by each process for all its followers at once, and only while there are some. */
const placesOf = perObject((jobs: JobStore) => {
  const tellers = new Map<string, Set<Tell>>()
  let timer: NodeJS.Timeout | undefined

  function lookAfter (milliseconds: number): void {
    timer = tellers.size === 0 ? undefined : setTimeout(look, milliseconds).unref()
  }

  async function look (): Promise<void> {
    const begun = performance.now()
    // Told later where it cannot be read now; whoever follows meets the same database, and hears why.
    const places = await jobs.queuePositions([...tellers.keys()]).catch(() => null)
    if (places) for (const [jobId, set] of tellers) for (const tell of set) tell(places.get(jobId) ?? null)
    lookAfter(Math.max(everyMs, (performance.now() - begun) / busyShare))
  }

  return (jobId: string, tell: Tell): () => void => {
    const set = tellers.get(jobId) ?? new Set()
    tellers.set(jobId, set.add(tell))
    if (timer === undefined) lookAfter(firstMs)
    return () => {
      set.delete(tell)
      if (set.size === 0 && tellers.get(jobId) === set) tellers.delete(jobId)
    }
  }
})

/** The place of one job for one follower; `changed` is called when there is news. */
export function followPlace (jobs: JobStore, jobId: string, changed: () => void) {
  let place: number | null = null
  let told: number | null = null
  let unfollow: (() => void) | null = null

  function close (): void {
    unfollow?.()
    unfollow = null
    place = told = null
  }

  return {
    /** To be called whenever it is known whether the job waits. */
    setWaiting (isWaiting: boolean): void {
      if (!isWaiting) return close()
      unfollow ??= placesOf(jobs)(jobId, now => {
        place = now
        if (place !== null && place !== told) changed()
      })
    },
    /** The place where it has changed since the last call; else null. */
    news (): number | null {
      if (place === null || place === told) return null
      told = place
      return place
    },
    close
  }
}

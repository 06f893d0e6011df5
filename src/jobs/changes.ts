import type { JobStore } from '#core/ports/storage.ts'
import { hear } from './announcements.ts'

/** How long to wait for a word before looking all the same: a lost notification delays, and loses nothing. */
const lookAgainMs = 2000
/** Whoever waits only for the end of a job lets its other changes pass for this part of the time waited so far. */
const calmShare = 0.5
const longestCalmMs = 250

/** Waits for changes of a job. */
export function watchChanges (jobs: JobStore, jobId: string, signal: AbortSignal) {
  let hasChanged = false
  let hasEnded = false
  let wake = () => {}
  const since = performance.now()
  const ring = () => { hasChanged = true; wake() }
  const end = () => { hasEnded = true; ring() }
  const unwatch = jobs.watch(jobId, ring)
  const unhear = hear(jobs, jobId, 'end', end)
  signal.addEventListener('abort', end, { once: true })

  async function sleep (milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => { wake = resolve; timer = setTimeout(resolve, milliseconds) })
    clearTimeout(timer)
    wake = () => {}
  }

  const isOver = () => hasEnded || signal.aborted

  let other: { jobId: string, stop (): void } | null = null
  /** Where the job shares the measurement of another one, that one's changes are its own; null: where it does not. */
  function alsoOf (sourceId: string | null): void {
    if (sourceId === (other?.jobId ?? null)) return
    other?.stop()
    const stops = sourceId === null ? [] : [jobs.watch(sourceId, ring), hear(jobs, sourceId, 'end', end)]
    other = sourceId === null ? null : { jobId: sourceId, stop () { for (const stop of stops) stop() } }
  }

  return {
    ring,
    alsoOf,
    /** Fulfilled by the first change since the last one, after 2 s, or by the signal. */
    async next (): Promise<void> {
      if (!hasChanged && !signal.aborted) await sleep(lookAgainMs)
      hasChanged = false
    },
    /** As `next`, but hurries only for the end of the job. */
    async nearEnd (): Promise<void> {
      if (!hasChanged && !signal.aborted) await sleep(lookAgainMs)
      const now = performance.now()
      const until = now + Math.min((now - since) * calmShare, longestCalmMs)
      for (let leftMs = until - now; leftMs > 0 && !isOver(); leftMs = until - performance.now()) await sleep(leftMs)
      hasChanged = false
    },
    close (): void {
      alsoOf(null)
      unwatch()
      unhear()
      signal.removeEventListener('abort', end)
    }
  }
}

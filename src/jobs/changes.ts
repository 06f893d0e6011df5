import type { JobStore } from '#core/ports/storage.ts'

/** How long to wait for a word before looking all the same: a lost notification delays, and loses nothing. */
const lookAgainMs = 2000

/** Waits for changes of a job; each `next` is fulfilled by the first change since the one before, after 2 s, or by the signal. */
export function watchChanges (jobs: JobStore, jobId: string, signal: AbortSignal) {
  let changed = false
  let wake: (() => void) | null = null
  const ring = () => { changed = true; wake?.() }
  const unwatch = jobs.watch(jobId, ring)
  signal.addEventListener('abort', ring, { once: true })
  return {
    async next (): Promise<void> {
      if (!changed && !signal.aborted) {
        let timer: NodeJS.Timeout | undefined
        await new Promise<void>(resolve => { wake = resolve; timer = setTimeout(resolve, lookAgainMs) })
        clearTimeout(timer)
        wake = null
      }
      changed = false
    },
    close (): void {
      unwatch()
      signal.removeEventListener('abort', ring)
    }
  }
}

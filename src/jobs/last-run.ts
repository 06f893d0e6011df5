import type { Database, EndedRun, RunResult } from '#core/ports/storage.ts'
import { persist } from './persist.ts'

/** Judging takes less: an end that waits for longer is followed by something else than the end of its pod. */
const waitMs = 25

interface Ended { id: string, result: RunResult, at: number }

/**
 * How the last run of a measurement ended, until it is written down: with the end of its pod, in one round trip; before the next run; or
 * by itself soon after. Lost with the worker, it is what a worker lost a moment earlier leaves: a run cut off, and another attempt.
 */
export function createLastRun ({ runs }: Pick<Database, 'runs'>) {
  let last: Ended | null = null
  let timer: NodeJS.Timeout | undefined

  const describe = ({ id, result, at }: Ended): EndedRun => ({ id, result, agoMs: performance.now() - at })

  async function write (): Promise<void> {
    clearTimeout(timer)
    const writing = last
    if (!writing) return
    await persist(() => runs.end(describe(writing)))
    if (last === writing) last = null
  }

  return {
    write,
    /** For who writes it down with something else. Should it be written twice, that does no harm. */
    unwritten (): EndedRun | null {
      clearTimeout(timer)
      return last && describe(last)
    },
    keep (id: string, result: RunResult): void {
      last = { id, result, at: performance.now() }
      // Its failure is met by whoever writes next: it is still unwritten.
      timer = setTimeout(() => { write().catch(() => {}) }, waitMs)
    }
  }
}
export type LastRun = ReturnType<typeof createLastRun>

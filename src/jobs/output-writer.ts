import type { RunStore } from '#core/ports/storage.ts'
import { persist } from './persist.ts'

const chunkBytes = 64 << 10
const gatherMs = 250

interface Options {
  runs: RunStore
  run: { id: string, jobId: string }
  stream: 'stdout' | 'stderr'
  /** Fulfilled when the row of the run stands. */
  row: Promise<void>
}

/** Keeps a stream of text for the report and stores it as it comes: a short one with a single write at its end. */
export function createOutputWriter ({ runs, run, stream, row }: Options) {
  const kept: Buffer[] = []
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let offset = 0
  let timer: NodeJS.Timeout | undefined
  let writes = row

  function flush (): void {
    clearTimeout(timer)
    timer = undefined
    if (waitingBytes === 0) return
    const bytes = Buffer.concat(waiting, waitingBytes)
    const from = offset
    offset += waitingBytes
    waiting = []
    waitingBytes = 0
    writes = writes.then(async () => {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        await persist(() => runs.append(run, stream, from + at, bytes.subarray(at, at + chunkBytes)))
      }
    })
    // Its failure is met by whoever waits for the end.
    writes.catch(() => {})
  }

  return {
    write (chunk: Buffer): void {
      const copy = Buffer.from(chunk)
      kept.push(copy)
      waiting.push(copy)
      waitingBytes += chunk.length
      timer ??= setTimeout(flush, gatherMs)
      if (waitingBytes >= chunkBytes) flush()
    },
    /** Fulfilled when everything is stored. */
    async end (): Promise<void> {
      flush()
      await writes
    },
    raw: () => Buffer.concat(kept),
    get bytes () { return offset + waitingBytes }
  }
}

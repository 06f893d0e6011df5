import type { OutputPiece, RunStore } from '#core/ports/storage.ts'
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

/** Keeps a stream of text for the report and stores it as it comes: a short one with the end of its run. */
export function createOutputWriter ({ runs, run, stream, row }: Options) {
  const kept: Buffer[] = []
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let offset = 0
  let timer: NodeJS.Timeout | undefined
  let writes = row

  function take (): OutputPiece | null {
    clearTimeout(timer)
    timer = undefined
    if (waitingBytes === 0) return null
    const piece = { stream, offset, bytes: Buffer.concat(waiting, waitingBytes) }
    offset += waitingBytes
    waiting = []
    waitingBytes = 0
    return piece
  }

  function flush (): void {
    const piece = take()
    if (!piece) return
    const { offset: from, bytes } = piece
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
    /** Fulfilled when everything is stored but what it answers: the last piece, which the end of the run takes along. */
    async end (): Promise<OutputPiece[]> {
      const last = take()
      await writes
      return last ? [last] : []
    },
    raw: () => Buffer.concat(kept),
    get bytes () { return offset + waitingBytes }
  }
}

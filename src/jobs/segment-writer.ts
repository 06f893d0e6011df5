import type { Bucket } from '#core/ports/bucket.ts'
import type { ArtifactStore } from '#core/ports/storage.ts'
import { maxSegmentAgeMs, maxSegmentBytes } from '#core/run.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { createSegmentQueue, type TakenSegment } from './segment-queue.ts'
import { storeSegment } from './store-segment.ts'
import { tellOnce } from './tell-once.ts'

const inFlightMax = 2
const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

interface Options {
  bucket: Bucket
  artifacts: ArtifactStore
  artifactId: string
  /** Fulfilled when the row of the artifact stands. */
  opened: Promise<void>
  budget: MemoryBudget
  /** The store takes nothing, which is tried again; called once until it takes something. */
  onTrouble: (error: unknown) => void
}

/**
 * Cuts a stream into segments of at most 8 MiB and 2 s and stores them in order, two at a time. `write` answers a promise when nothing
 * more fits: credit for the sender then waits for the store.
 */
export function createSegmentWriter ({ bucket, artifacts, artifactId, opened, budget, onTrouble }: Options) {
  const queue = createSegmentQueue(maxSegmentBytes)
  const abandoned = new AbortController()
  const gone = Promise.withResolvers<void>()
  let offset = 0
  let storedBytes = 0
  let storedSha256 = emptySha256
  let flights = 0
  let timer: NodeJS.Timeout | undefined
  let isDue = false
  let lastCommit: Promise<void> = Promise.resolve()
  let progressAt = 0
  let landed = Promise.withResolvers<void>()
  const trouble = tellOnce(onTrouble)

  /** Rows are written in the order of the stream: a reader never meets a hole. */
  async function fly ({ bytes, sha256, streamSha256, free }: TakenSegment, at: number, before: Promise<void>): Promise<void> {
    try {
      const { signal } = abandoned
      const segment = await storeSegment({ bucket, artifacts, artifactId, opened, bytes, sha256, at, signal, onTrouble: trouble.failed })
      await before
      signal.throwIfAborted()
      await segment.commit()
      storedBytes = at + bytes.length
      storedSha256 = streamSha256
      free()
      progressAt = performance.now()
      trouble.worked()
    } finally {
      budget.release(bytes.length)
      flights--
      landed.resolve()
      landed = Promise.withResolvers()
      pump()
    }
  }

  function pump (): void {
    while (flights < inFlightMax && !abandoned.signal.aborted && queue.bytes > 0 && (isDue || queue.isFull)) {
      const segment = queue.take()
      if (!segment) break
      if (flights === 0) progressAt = performance.now()
      flights++
      lastCommit = fly(segment, offset, lastCommit)
      // Whoever waits for the end hears of it; until then it must not count as unhandled.
      lastCommit.catch(() => {})
      offset += segment.bytes.length
      if (queue.bytes > 0) continue
      isDue = false
      clearTimeout(timer)
      timer = undefined
    }
  }

  function flush (): void {
    isDue = true
    pump()
  }

  return {
    write (chunk: Buffer): void | Promise<void> {
      if (abandoned.signal.aborted || chunk.length === 0) return
      queue.push(chunk)
      timer ??= setTimeout(flush, maxSegmentAgeMs)
      const room = budget.hold(chunk.length)
      // Memory is short: what is gathered here is stored at once, so that all come to their turn.
      if (room) flush()
      else pump()
      if (room) return room
      if (queue.isFull) return landed.promise
    },
    /** Stores what is left. Rejects when it was abandoned. */
    async end (): Promise<void> {
      flush()
      while (queue.bytes > 0 && !abandoned.signal.aborted) await landed.promise
      await Promise.race([lastCommit, gone.promise])
      abandoned.signal.throwIfAborted()
    },
    /** Gives up what is not stored yet; afterwards nothing more is taken. */
    abandon (): void {
      clearTimeout(timer)
      if (abandoned.signal.aborted) return
      abandoned.abort(new Error('The rest of the stream was given up'))
      budget.release(queue.clear())
      gone.resolve()
      landed.resolve()
    },
    /** What a reader gets: bytes that are stored without a hole, and their SHA-256. */
    stored: () => ({ sizeBytes: storedBytes, sha256: storedSha256 }),
    /** Milliseconds for which the store has taken nothing although there was something. */
    stalledMs: () => flights === 0 ? 0 : performance.now() - progressAt
  }
}
export type SegmentWriter = ReturnType<typeof createSegmentWriter>

import { createHash, webcrypto } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ArtifactStore, Bucket } from '#core/ports/storage.ts'
import { maxSegmentAgeMs, maxSegmentBytes } from '#core/run.ts'
import type { MemoryBudget } from './memory-budget.ts'

const inFlightMax = 2
const retryMs = 500

interface Options {
  bucket: Bucket
  artifacts: ArtifactStore
  artifactId: string
  budget: MemoryBudget
  /** A segment could not be stored; it is tried again. */
  onTrouble: (error: Error) => void
}

/**
 * Cuts a stream into segments of at most 8 MiB and 2 s and stores them in order, two at a time. `write` answers a promise only when
 * nothing more fits: credit for the sender then waits for the store. Memory: what is under way, within the process' budget.
 */
export function createSegmentWriter ({ bucket, artifacts, artifactId, budget, onTrouble }: Options) {
  const whole = createHash('sha256')
  const abandoned = new AbortController()
  let parts: Buffer[] = []
  let partsBytes = 0
  let offset = 0
  let storedBytes = 0
  let timer: NodeJS.Timeout | undefined
  let flights: Promise<void>[] = []
  let commits: Promise<void> = Promise.resolve()
  let waitingSince: number | null = null

  async function put (key: string, bytes: Buffer): Promise<void> {
    for (;;) {
      try {
        return await bucket.put(key, bytes)
      } catch (error) {
        onTrouble(error as Error)
        await delay(retryMs, undefined, { signal: abandoned.signal })
      }
    }
  }

  /** Rows are written in the order of the stream: a reader never meets a hole. */
  function store (bytes: Buffer, at: number): Promise<void> {
    const key = `${artifactId}/${String(at).padStart(16, '0')}`
    const before = commits
    const flight = (async () => {
      const release = await budget.reserve(bytes.length)
      try {
        const [digest] = await Promise.all([webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>), put(key, bytes)])
        await before
        abandoned.signal.throwIfAborted()
        await artifacts.addSegment(artifactId, { key, offset: at, sizeBytes: bytes.length, sha256: Buffer.from(digest).toString('hex') })
        storedBytes = at + bytes.length
        whole.update(bytes)
        waitingSince = storedBytes === offset ? null : Date.now()
      } finally {
        release()
      }
    })()
    // Whoever waits for a flight hears of its failure; until then it must not count as unhandled.
    flight.catch(() => {})
    commits = flight
    return flight
  }

  function flush (): void {
    clearTimeout(timer)
    timer = undefined
    if (partsBytes === 0) return
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts, partsBytes)
    const flight = store(bytes, offset)
    offset += partsBytes
    parts = []
    partsBytes = 0
    waitingSince ??= Date.now()
    flights = [...flights, flight]
    const forget = () => { flights = flights.filter(other => other !== flight) }
    flight.then(forget, forget)
  }

  return {
    write (chunk: Buffer): void | Promise<void> {
      if (abandoned.signal.aborted) return
      parts.push(chunk)
      partsBytes += chunk.length
      timer ??= setTimeout(flush, maxSegmentAgeMs)
      if (partsBytes < maxSegmentBytes - (64 << 10)) return
      flush()
      if (flights.length > inFlightMax) return Promise.race([flights[0], aborted(abandoned.signal)]).then(() => {}, () => {})
    },
    /** Stores what is left. Rejects when it was abandoned. */
    async end (): Promise<void> {
      flush()
      await Promise.race([commits, aborted(abandoned.signal)])
      abandoned.signal.throwIfAborted()
    },
    /** Gives up what is not stored yet. */
    abandon (): void {
      clearTimeout(timer)
      abandoned.abort(new Error('The rest of the stream was given up'))
    },
    /** What a reader gets: bytes that are stored without a hole, and their SHA-256. */
    stored: () => ({ sizeBytes: storedBytes, sha256: whole.copy().digest('hex') }),
    /** Milliseconds for which the store has taken nothing although there was something. */
    stalledMs: () => waitingSince === null ? 0 : Date.now() - waitingSince
  }
}
export type SegmentWriter = ReturnType<typeof createSegmentWriter>

function aborted (signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => { signal.addEventListener('abort', () => { resolve() }, { once: true }) })
}

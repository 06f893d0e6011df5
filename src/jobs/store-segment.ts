import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { ArtifactStore, Bucket } from '#core/ports/storage.ts'

const firstPauseMs = 250
const longestPauseMs = 2000

interface Options {
  bucket: Bucket
  artifactId: string
  bytes: Buffer
  /** Of these bytes, in hex. */
  sha256: string
  at: number
  /** Ends the repeating. */
  signal: AbortSignal
  onTrouble: (error: unknown) => void
}

/** Puts a segment into the bucket; `commit` writes its row, in its turn. Both are tried until they succeed or are given up. */
export async function storeSegment ({ bucket, artifactId, bytes, sha256, at, signal, onTrouble }: Options) {
  const key = `${artifactId}/${String(at).padStart(16, '0')}`

  async function untilDone (write: () => Promise<void>): Promise<void> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      signal.throwIfAborted()
      try {
        return await write()
      } catch (error) {
        // Sealed by somebody else: this attempt no longer holds its claim.
        if (asProblem(error).code === 'EPH_CONFLICT') throw error
        onTrouble(error)
        await delay(pauseMs, undefined, { signal })
      }
    }
  }

  await untilDone(() => bucket.put(key, bytes, sha256))
  const segment = { key, offset: at, sizeBytes: bytes.length, sha256 }
  return { commit: (artifacts: ArtifactStore) => untilDone(() => artifacts.addSegment(artifactId, segment)) }
}

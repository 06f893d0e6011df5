import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { Bucket } from '#core/ports/bucket.ts'
import type { ArtifactStore } from '#core/ports/storage.ts'

const firstPauseMs = 250
const longestPauseMs = 2000

interface Options {
  bucket: Bucket
  artifacts: ArtifactStore
  artifactId: string
  /** Fulfilled when the row of the artifact stands. */
  opened: Promise<void>
  bytes: Buffer
  /** Of these bytes, in hex. */
  sha256: string
  at: number
  /** Ends the repeating. */
  signal: AbortSignal
  onTrouble: (error: unknown) => void
}

/**
 * Announces a segment and puts it into the bucket; `commit` writes its row, in its turn. Each is tried until it succeeds or is given up.
 * What was put in vain is found by its announcement.
 */
export async function storeSegment ({ bucket, artifacts, artifactId, opened, bytes, sha256, at, signal, onTrouble }: Options) {
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

  await opened
  await untilDone(() => artifacts.announce(artifactId, key))
  await untilDone(() => bucket.put(key, bytes, sha256))
  const segment = { key, offset: at, sizeBytes: bytes.length, sha256 }
  return { commit: () => untilDone(() => artifacts.addSegment(artifactId, segment)) }
}

import { webcrypto } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { ArtifactStore, Bucket } from '#core/ports/storage.ts'

const retryMs = 500

interface Options {
  bucket: Bucket
  artifactId: string
  bytes: Buffer
  at: number
  /** Ends the repeating. */
  signal: AbortSignal
  onTrouble: (error: unknown) => void
}

/** Puts a segment into the bucket; `commit` writes its row, in its turn. Both are tried until they succeed or are given up. */
export async function storeSegment ({ bucket, artifactId, bytes, at, signal, onTrouble }: Options) {
  const key = `${artifactId}/${String(at).padStart(16, '0')}`

  async function untilDone (write: () => Promise<void>): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      try {
        return await write()
      } catch (error) {
        // Sealed by somebody else: this attempt no longer holds its claim.
        if (asProblem(error).code === 'EPH_CONFLICT') throw error
        onTrouble(error)
        await delay(retryMs, undefined, { signal })
      }
    }
  }

  const [digest] = await Promise.all([
    // Beside the main thread, which hashes the whole stream.
    webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>),
    untilDone(() => bucket.put(key, bytes))
  ])
  const segment = { key, offset: at, sizeBytes: bytes.length, sha256: Buffer.from(digest).toString('hex') }
  return { commit: (artifacts: ArtifactStore) => untilDone(() => artifacts.addSegment(artifactId, segment)) }
}

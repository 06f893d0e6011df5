import type { Artifact, Segment } from '#core/run.ts'
import { watchChanges } from './changes.ts'
import type { Context } from './context.ts'

interface Range {
  start: number
  /** Null: to its end. */
  end: number | null
  /** Goes on until the artifact is sealed. */
  follow: boolean
  signal: AbortSignal
}

interface Piece { segment: Segment, from: number, length: number }

/** Bytes of an artifact, segment by segment; the next one is asked for while one is sent. */
export async function * readSegments ({ database, bucket }: Context, artifact: Artifact, range: Range): AsyncIterable<Uint8Array> {
  const { artifacts, jobs } = database
  const { start, end, follow, signal } = range
  // What is announced as the length is what is sent, even if the artifact has grown meanwhile.
  const until = follow ? end ?? Infinity : end ?? artifact.sizeBytes
  const changes = watchChanges(jobs, artifact.jobId, signal)
  const open = ({ segment, from, length }: Piece) => {
    const content = bucket.get(segment.key, from, length)
    content.catch(() => {}) // met when its turn comes
    return content
  }
  let offset = start
  let next: Promise<AsyncIterable<Uint8Array>> | undefined
  try {
    while (offset < until && !signal.aborted) {
      const isWhole = !follow || (await artifacts.find(artifact.id))?.state !== 'growing'
      const pieces = piecesOf(await artifacts.segments(artifact.id, offset), offset, until)
      next = pieces[0] && open(pieces[0])
      for (const [index, { length }] of pieces.entries()) {
        const content = await next!
        const following = pieces[index + 1]
        next = following && open(following)
        for await (const part of content) {
          if (signal.aborted) return
          yield part
        }
        offset += length
      }
      if (isWhole) return
      await changes.next()
    }
  } finally {
    changes.close()
    next?.then(discard).catch(() => {}) // nobody waits for it any more
  }
}

/** Lets go of what was opened and is not wanted: streams are closed only by whoever reads them. */
async function discard (content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const part of content) if (part) break
}

function piecesOf (segments: Segment[], start: number, until: number): Piece[] {
  return segments.filter(({ offset }) => offset < until).map(segment => {
    const from = Math.max(0, start - segment.offset)
    return { segment, from, length: Math.min(segment.sizeBytes, until - segment.offset) - from }
  })
}

/** Chunks of a stream on their way into segments. */
export function createSegmentQueue (segmentBytes: number) {
  let parts: Buffer[] = []
  let bytes = 0

  return {
    get bytes () { return bytes },
    /** Whether there is enough for a whole segment. */
    get isFull () { return bytes >= segmentBytes },
    push (chunk: Buffer): void {
      parts.push(chunk)
      bytes += chunk.length
    },
    /** The next segment: all there is, at most as long as one may be. */
    take (): Buffer {
      const segment = Buffer.allocUnsafe(Math.min(bytes, segmentBytes))
      let filled = 0
      let used = 0
      for (const part of parts) {
        const copied = part.copy(segment, filled)
        filled += copied
        if (copied < part.length) {
          parts[used] = part.subarray(copied)
          break
        }
        used++
      }
      parts = parts.slice(used)
      bytes -= filled
      return segment
    },
    /** Answers how many bytes are dropped. */
    clear (): number {
      const dropped = bytes
      parts = []
      bytes = 0
      return dropped
    }
  }
}

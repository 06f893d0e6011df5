/** What came does not follow the runner's protocol: the channel cannot go on. */
export class ProtocolViolation extends Error {
  override name = 'ProtocolViolation'
}

export interface FrameHandler {
  /** One line of JSON, without its LF. Answers how many bytes of payload follow it. */
  line (text: string): number
  /** A piece of the payload of the last line; views on what came, not copies. */
  payload (chunk: Buffer): void
}

const newline = 10
const maxLineBytes = 65_536

/**
 * Cuts a stream into frames (a line of JSON, then exactly the announced bytes), however it was cut into pieces. Nothing of a payload is
 * copied or held back; what comes is not read after the call. Throws a ProtocolViolation for a line that is too long, and what the
 * handler throws.
 */
export function createFrameParser ({ line, payload }: FrameHandler): (data: Buffer) => void {
  let begun: Buffer[] = []
  let begunBytes = 0
  let left = 0

  return data => {
    let at = 0
    while (at < data.length) {
      if (left > 0) {
        const end = Math.min(data.length, at + left)
        left -= end - at
        payload(data.subarray(at, end))
        at = end
        continue
      }
      const end = data.indexOf(newline, at)
      const part = data.subarray(at, end < 0 ? data.length : end)
      if (begunBytes + part.length > maxLineBytes) throw new ProtocolViolation(`a line is longer than ${maxLineBytes} bytes`)
      if (end < 0) {
        begun.push(Buffer.from(part))
        begunBytes += part.length
        return
      }
      const text = begunBytes === 0 ? part.toString() : Buffer.concat([...begun, part]).toString()
      begun = []
      begunBytes = 0
      at = end + 1
      left = line(text)
    }
  }
}

import { randomBytes } from 'node:crypto'

/** What came is not WebSocket (RFC 6455) as a server speaks it: where the next frame begins is unknown. */
export class BadFrame extends Error {
  override name = 'BadFrame'
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const known: ReadonlySet<number> = new Set(Object.values(opcodes))

const maxControlBytes = 125
const maxSentBytes = 65_535

/** One frame as a client sends it: whole and masked; payload: at most 65,535 bytes. */
export function frameOf (opcode: number, payload: Uint8Array): Buffer {
  if (payload.length > maxSentBytes) throw new RangeError(`a frame of ${payload.length} bytes`)
  const isShort = payload.length <= maxControlBytes
  const start = isShort ? 6 : 8
  const frame = Buffer.allocUnsafe(start + payload.length)
  frame[0] = 0x80 | opcode
  frame[1] = 0x80 | (isShort ? payload.length : 126)
  if (!isShort) frame.writeUInt16BE(payload.length, 2)
  const mask = randomBytes(4)
  mask.copy(frame, start - 4)
  for (let at = 0; at < payload.length; at++) frame[start + at] = payload[at]! ^ mask[at & 3]!
  return frame
}

export interface MessageHandler {
  /** A piece of a message as it comes: a view on what came, valid during the call only. */
  data (piece: Buffer, isFirst: boolean): void
  /** Close, ping or pong. */
  control (opcode: number, payload: Buffer): void
}

/**
 * Reads frames however they were cut. Nothing of a message is copied or held back: gathering messages, as libraries do, costs a fast stream
 * an allocation per frame, and these drive full collections. Throws a BadFrame, and what the handler throws.
 */
export function createFrameReader ({ data, control }: MessageHandler): (chunk: Buffer) => void {
  const header = Buffer.alloc(10)
  let headerBytes = 0
  let opcode = 0
  let isLast = false
  let left = 0
  let messageBytes = 0
  let isInMessage = false
  let controlPayload: Buffer[] = []

  const headerSize = () => headerBytes < 2 ? 2 : 2 + ({ 126: 2, 127: 8 }[header[1]! & 127] ?? 0)

  function begin (): void {
    const [first = 0, second = 0] = header
    opcode = first & 15
    isLast = first >= 128
    if ((first & 0x70) !== 0 || second >= 128 || !known.has(opcode)) throw new BadFrame(`a frame begins with ${header.toString('hex', 0, 2)}`)
    left = second === 126 ? header.readUInt16BE(2) : second === 127 ? Number(header.readBigUInt64BE(2)) : second
    if (opcode >= opcodes.close) {
      if (!isLast || left > maxControlBytes) throw new BadFrame('a control frame is too long or in parts')
      return
    }
    if ((opcode === opcodes.continuation) !== isInMessage) throw new BadFrame('a message begins within another, or goes on without one')
    if (!isInMessage) messageBytes = 0
    isInMessage = !isLast
  }

  function take (piece: Buffer): void {
    left -= piece.length
    if (opcode >= opcodes.close) controlPayload.push(Buffer.from(piece))
    else if (piece.length > 0) {
      data(piece, messageBytes === 0)
      messageBytes += piece.length
    }
    if (left > 0) return
    headerBytes = 0
    if (opcode < opcodes.close) return
    const payload = Buffer.concat(controlPayload)
    controlPayload = []
    control(opcode, payload)
  }

  return chunk => {
    for (let at = 0; at < chunk.length;) {
      if (headerBytes === headerSize()) {
        const piece = chunk.subarray(at, at + left)
        at += piece.length
        take(piece)
        continue
      }
      header[headerBytes++] = chunk[at++]!
      if (headerBytes < headerSize()) continue
      begin()
      if (left === 0) take(chunk.subarray(at, at))
    }
  }
}

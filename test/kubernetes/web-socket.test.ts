import { t } from 'tap'
import { BadFrame, createFrameReader, frameOf, opcodes } from '../../src/kubernetes/web-socket.ts'

/** A frame as a server sends it: not masked. */
function served (opcode: number, payload: Buffer, isLast = true): Buffer {
  const { length } = payload
  const size = Buffer.alloc(length < 126 ? 1 : length < 65536 ? 3 : 9, length < 126 ? length : length < 65536 ? 126 : 127)
  if (size.length === 3) size.writeUInt16BE(length, 1)
  if (size.length === 9) size.writeBigUInt64BE(BigInt(length), 1)
  return Buffer.concat([Buffer.of((isLast ? 128 : 0) | opcode), size, payload])
}

function read (pieces: Buffer[]) {
  const messages: string[] = []
  const controls: { opcode: number, payload: string }[] = []
  const push = createFrameReader({
    data (piece, isFirst) {
      if (isFirst) messages.push('')
      messages[messages.length - 1] += piece.toString('latin1')
    },
    control (opcode, payload) { controls.push({ opcode, payload: payload.toString() }) }
  })
  for (const piece of pieces) push(piece)
  return { messages, controls }
}

const long = Buffer.alloc(70_000, 'abc')
const stream = Buffer.concat([
  served(opcodes.binary, Buffer.from('one')),
  served(opcodes.binary, Buffer.alloc(0)),
  served(opcodes.binary, Buffer.from('two '), false),
  served(opcodes.ping, Buffer.from('are you there?')),
  served(opcodes.continuation, Buffer.alloc(200, 'x')),
  served(opcodes.text, Buffer.from('three')),
  served(opcodes.close, Buffer.alloc(0))
])
const whole = {
  messages: ['one', `two ${'x'.repeat(200)}`, 'three'],
  controls: [{ opcode: opcodes.ping, payload: 'are you there?' }, { opcode: opcodes.close, payload: '' }]
}

t.test('messages come out in pieces, control frames between them whole, wherever the stream is cut', async t => {
  t.strictSame(read([stream]), whole)
  t.strictSame(read([...stream].map(byte => Buffer.of(byte))), whole, 'byte by byte')
  for (let at = 0; at <= stream.length; at++) {
    t.strictSame(read([stream.subarray(0, at), stream.subarray(at)]), whole, `cut at ${at}`, { diagnostic: false })
  }
  t.same(read([served(opcodes.binary, long)]).messages, [long.toString()])
})

t.test('what is no WebSocket of a server is refused', async t => {
  const bad: Record<string, Buffer> = {
    'masked by the server': frameOf(opcodes.binary, Buffer.from('x')),
    compressed: Buffer.of(0xc2, 0),
    'unknown kind': Buffer.of(0x83, 0),
    'goes on without a begin': served(opcodes.continuation, Buffer.from('x')),
    'begins within a message': Buffer.concat([served(opcodes.binary, Buffer.from('x'), false), served(opcodes.binary, Buffer.from('y'))]),
    'a long ping': served(opcodes.ping, Buffer.alloc(126)),
    'a ping in parts': served(opcodes.ping, Buffer.from('x'), false)
  }
  for (const [name, frame] of Object.entries(bad)) t.throws(() => read([frame]), BadFrame, name)
})

t.test('what is sent is masked, and of a bounded size', async t => {
  for (const size of [0, 1, 125, 126, 65_535]) {
    const payload = Buffer.alloc(size, 'secret')
    const frame = frameOf(opcodes.binary, payload)
    const start = size < 126 ? 6 : 8
    t.equal(frame[1]! & 128, 128)
    t.equal(size < 126 ? frame[1]! & 127 : frame.readUInt16BE(2), size)
    const mask = frame.subarray(start - 4, start)
    t.ok(Buffer.from(frame.subarray(start).map((byte, at) => byte ^ mask[at & 3]!)).equals(payload), `${size} bytes`)
  }
  t.throws(() => frameOf(opcodes.binary, Buffer.alloc(65_536)), RangeError)
})

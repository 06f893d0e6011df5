import { t } from 'tap'
import { createFrameParser, ProtocolViolation } from '../../src/kubernetes/frame-parser.ts'
import { frame } from './fake-runner.ts'

const payloads = [Buffer.from('one\ntwo\n'), Buffer.alloc(0), Buffer.from('{"output":"x"}\n'), Buffer.from([0, 10, 255, 10, 10])]
const frames = payloads.map((payload, index) => ({ event: { n: index, text: 'ä€😀', bytes: payload.length }, payload }))
const stream = Buffer.concat(frames.map(({ event, payload }) => frame(event, payload)))

/** What comes out for these pieces: lines, each with its whole payload. */
function parse (pieces: Buffer[]): { line: string, payload: string }[] {
  const out: { line: string, payload: string }[] = []
  const push = createFrameParser({
    line (line) {
      out.push({ line, payload: '' })
      return (JSON.parse(line) as { bytes: number }).bytes
    },
    payload (chunk) { out.at(-1)!.payload += chunk.toString('latin1') }
  })
  for (const piece of pieces) push(piece)
  return out
}
const whole = parse([stream])

t.test('frames come out as they went in', async t => {
  t.same(whole, frames.map(({ event, payload }) => ({ line: JSON.stringify(event), payload: payload.toString('latin1') })))
})

t.test('where the stream is cut does not matter, at any byte', async t => {
  for (let at = 0; at <= stream.length; at++) {
    t.strictSame(parse([stream.subarray(0, at), stream.subarray(at)]), whole, `cut at ${at}`, { diagnostic: false })
  }
  t.strictSame(parse([...stream].map(byte => Buffer.of(byte))), whole, 'byte by byte')
})

t.test('random pieces give the same', async t => {
  // A small generator with a seed, so that a failure can be repeated.
  let seed = 1
  const random = (below: number) => (seed = seed * 48271 % 2147483647) % below
  for (let round = 0; round < 300; round++) {
    const pieces: Buffer[] = []
    for (let at = 0; at < stream.length;) {
      const bytes = 1 + random(40)
      pieces.push(stream.subarray(at, at + bytes))
      at += bytes
    }
    if (JSON.stringify(parse(pieces)) !== JSON.stringify(whole)) t.fail(`round ${round}`)
  }
})

t.test('payload is a view on what came, not a copy', async t => {
  const data = frame({ bytes: 4 }, Buffer.from('abcd'))
  let chunk: Buffer | null = null
  createFrameParser({ line: () => 4, payload: part => { chunk = part } })(data)
  data.write('ABCD', data.length - 4)
  t.equal(String(chunk), 'ABCD')
})

t.test('a line has a limit, also while it has not ended', async t => {
  const lines: string[] = []
  const push = createFrameParser({ line: line => { lines.push(line); return 0 }, payload () {} })
  push(Buffer.alloc(65_536, 'a'))
  push(Buffer.from('\n'))
  t.equal(lines[0]?.length, 65_536)
  push(Buffer.alloc(40_000, 'a'))
  t.throws(() => push(Buffer.alloc(40_000, 'a')), ProtocolViolation)
})

import { createHash } from 'node:crypto'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { Bucket } from '#core/ports/bucket.ts'
import type { ArtifactStore } from '#core/ports/storage.ts'
import type { Segment } from '#core/run.ts'
import { createMemoryBudget } from '#jobs/memory-budget.ts'
import { createSegmentWriter } from '#jobs/segment-writer.ts'

const mebibyte = 1 << 20
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const tick = () => new Promise(resolve => setTimeout(resolve, 5))

function build (budgetBytes = 128 * mebibyte) {
  const puts: { key: string, bytes: Buffer, done: () => void, fail: (error: Error) => void }[] = []
  const segments: Segment[] = []
  const troubles: unknown[] = []
  const budget = createMemoryBudget(budgetBytes)
  const bucket = {
    put (key: string, bytes: Buffer) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      puts.push({ key, bytes: Buffer.from(bytes), done: resolve, fail: reject })
      return promise
    }
  } as unknown as Bucket
  const addSegment = async (_id: string, segment: Segment) => { segments.push(segment) }
  const artifacts = { announce: async () => {}, addSegment } as unknown as ArtifactStore
  const onTrouble = (error: unknown) => { troubles.push(error) }
  const writer = createSegmentWriter({ bucket, artifacts, artifactId: 'a', opened: Promise.resolve(), budget, onTrouble })
  return { writer, puts, segments, troubles, budget }
}

t.test('segments are at most 8 MiB, in order, each with its own checksum', async t => {
  const { writer, puts, segments, budget } = build()
  const whole = Buffer.alloc(20 * mebibyte)
  whole.forEach((_, index) => { whole[index] = index * 7 + (index >> 12) })
  // Odd sizes: chunks do not end where segments do.
  for (let at = 0; at < whole.length; at += 1_000_003) writer.write(whole.subarray(at, at + 1_000_003))
  const ended = writer.end()
  while (segments.length < 3) {
    for (const { done } of puts) done()
    await tick()
  }
  await ended
  t.same(segments.map(({ offset, sizeBytes }) => [offset, sizeBytes]), [
    [0, 8 * mebibyte], [8 * mebibyte, 8 * mebibyte], [16 * mebibyte, 4 * mebibyte]
  ])
  for (const [index, segment] of segments.entries()) {
    t.equal(segment.sha256, sha256(puts[index]!.bytes))
    t.equal(segment.key, puts[index]!.key)
  }
  t.equal(Buffer.concat(puts.map(({ bytes }) => bytes)).equals(whole), true)
  t.same(writer.stored(), { sizeBytes: whole.length, sha256: sha256(whole) })
  t.equal(budget.heldBytes, 0)
})

t.test('two are in flight; more is taken only when one has landed', async t => {
  const { writer, puts } = build()
  const waits: unknown[] = []
  for (let count = 0; count < 3; count++) waits.push(writer.write(Buffer.alloc(8 * mebibyte)))
  await tick()
  t.equal(puts.length, 2)
  t.same(waits.map(wait => wait instanceof Promise), [false, false, true])
  puts[0]!.done()
  await waits[2]
  await tick()
  t.equal(puts.length, 3)
})

t.test('rows follow the order of the stream, whichever object is there first', async t => {
  const { writer, puts, segments } = build()
  writer.write(Buffer.alloc(8 * mebibyte, 1))
  writer.write(Buffer.alloc(8 * mebibyte, 2))
  await tick()
  puts[1]!.done()
  await tick()
  t.same(segments, [])
  t.equal(writer.stored().sizeBytes, 0)
  puts[0]!.done()
  while (segments.length < 2) await tick()
  t.same(segments.map(({ offset }) => offset), [0, 8 * mebibyte])
})

t.test('a little is stored after 2 s', async t => {
  const { writer, puts } = build()
  const since = performance.now()
  writer.write(Buffer.from('little'))
  while (puts.length === 0) await tick()
  const waited = performance.now() - since
  t.ok(waited > 1900 && waited < 2500, `${Math.round(waited)} ms`)
  writer.abandon()
})

t.test('a store that fails is tried again, and says so once', async t => {
  const { writer, puts, segments, troubles } = build()
  writer.write(Buffer.from('bytes'))
  const ended = writer.end()
  await tick()
  puts[0]!.fail(new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot reach the bucket'))
  while (puts.length < 2) await tick()
  puts[1]!.fail(new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot reach the bucket'))
  while (puts.length < 3) await tick()
  puts[2]!.done()
  await ended
  t.equal(segments.length, 1)
  t.match(troubles, [{ code: 'EPH_BUCKET_UNAVAILABLE' }])
  t.equal(troubles.length, 1)
})

t.test('given up: the end rejects, nothing more is stored, and what is held is let go', async t => {
  const { writer, puts, segments, budget } = build()
  writer.write(Buffer.alloc(8 * mebibyte))
  writer.write(Buffer.alloc(1000))
  const ended = t.rejects(writer.end(), /given up/)
  await tick()
  t.ok(writer.stalledMs() >= 0)
  writer.abandon()
  await ended
  t.equal(writer.write(Buffer.alloc(10)), undefined)
  puts[0]!.done()
  puts[1]?.done()
  await tick()
  t.same(segments, [])
  t.same(writer.stored(), { sizeBytes: 0, sha256: sha256(Buffer.alloc(0)) })
  t.equal(budget.heldBytes, 0)
})

t.test('the time for which the store takes nothing begins anew with each segment', async t => {
  const { writer, puts, segments } = build()
  t.equal(writer.stalledMs(), 0)
  writer.write(Buffer.alloc(8 * mebibyte))
  writer.write(Buffer.alloc(8 * mebibyte))
  await new Promise(resolve => setTimeout(resolve, 100))
  t.ok(writer.stalledMs() >= 90)
  puts[0]!.done()
  while (segments.length < 1) await tick()
  t.ok(writer.stalledMs() < 90)
  puts[1]!.done()
  while (segments.length < 2) await tick()
  t.equal(writer.stalledMs(), 0)
})

t.test('when memory is short, what is gathered is stored at once and credit waits', async t => {
  const { writer, puts, budget } = build(2 * mebibyte)
  t.equal(writer.write(Buffer.alloc(mebibyte)), undefined)
  t.equal(puts.length, 0)
  const room = writer.write(Buffer.alloc(1000))
  await tick()
  t.equal(puts.length, 1)
  t.ok(room instanceof Promise)
  puts[0]!.done()
  await room
  t.equal(budget.heldBytes, 0)
})

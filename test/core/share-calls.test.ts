import t from 'tap'
import { shareCalls } from '#core/share-calls.ts'

/** Reads that a test ends when it likes, each with what was true when it began. */
function source () {
  const state = { value: 0, reads: 0, inFlight: [] as (() => void)[] }
  const read = async () => {
    const { value } = state
    state.reads++
    await new Promise<void>(resolve => state.inFlight.push(resolve))
    if (value < 0) throw new Error('no answer')
    return value
  }
  const answer = async () => {
    state.inFlight.shift()?.()
    await new Promise(setImmediate)
  }
  return { state, read, answer }
}

t.test('who asks during a read shares the next one, which begins after they asked', async t => {
  const { state, read, answer } = source()
  const reads = shareCalls<number>()
  const first = reads('a', read)
  state.value = 1
  const others = Array.from({ length: 20 }, () => reads('a', read))
  const elsewhere = reads('b', read)
  t.equal(state.reads, 2, 'another key waits for nobody')
  await answer()
  t.equal(await first, 0)
  await answer()
  t.equal(await elsewhere, 1)
  state.value = 2
  const late = reads('a', read)
  await answer()
  t.strictSame(await Promise.all(others), Array(20).fill(1))
  await answer()
  t.equal(await late, 2)
  t.equal(state.reads, 4)
})

t.test('a failure is for those who shared it; afterwards everything is read anew', async t => {
  const { state, read, answer } = source()
  const reads = shareCalls<number>()
  state.value = -1
  const failing = reads('a', read)
  state.value = 5
  const next = reads('a', read)
  failing.catch(() => {})
  await answer()
  await t.rejects(failing, { message: 'no answer' })
  await answer()
  t.equal(await next, 5)
  const again = reads('a', read)
  await answer()
  t.equal(await again, 5)
  t.equal(state.reads, 3)
})

t.test('with a pace, calls that somebody waited for follow each other no sooner; who asks alone waits for nobody', async t => {
  const begun: number[] = []
  const calls = shareCalls<number>(60)
  const ask = () => calls('a', async () => begun.push(performance.now()))
  await ask()
  await ask()
  t.equal(begun.length, 2, 'one after the other')
  const first = ask()
  const shared = [ask(), ask()]
  await first
  t.strictSame(await Promise.all(shared), [4, 4])
  await Promise.all([ask(), ask(), ask()])
  t.equal(begun.length, 5)
  // A timer may fire a millisecond early, never late enough to matter here.
  t.ok(begun[4]! - begun[3]! >= 58, `${begun[4]! - begun[3]!} ms`)
})

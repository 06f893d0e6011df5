import t from 'tap'
import { createMemoryBudget } from '#jobs/memory-budget.ts'

const mebibyte = 1 << 20

t.test('windows are 4 MiB for few streams and smaller for many, within half of the budget', t => {
  const budget = createMemoryBudget(128 * mebibyte)
  const windows = Array.from({ length: 64 }, () => budget.openWindow())
  t.equal(windows[0]!.bytes, 4 * mebibyte)
  t.equal(windows[63]!.bytes, mebibyte / 4)
  t.ok(budget.windowBytes <= 76 * mebibyte, `${budget.windowBytes} bytes`)
  for (const window of windows) {
    window.close()
    window.close()
  }
  t.equal(budget.windowBytes, 0)
  t.end()
})

t.test('who goes beyond waits until there is room for all', async t => {
  const budget = createMemoryBudget(2000)
  t.equal(budget.hold(1000), null)
  const room = budget.hold(500)
  t.equal(budget.hold(1), room)
  budget.release(500)
  let isThere = false
  room!.then(() => { isThere = true }, t.threw)
  await Promise.resolve()
  t.equal(isThere, false, 'one byte is still too much')
  budget.release(1)
  await room
  t.equal(budget.heldBytes, 1000)
})

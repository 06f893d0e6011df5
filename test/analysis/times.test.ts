import t from 'tap'
import { summarizeTimes } from '#analysis/times.ts'

t.test('times come to what ping says of them', t => {
  t.strictSame(summarizeTimes([0.112, 0.099, 0.096, 0.095, 0.098]), { minMs: 0.095, avgMs: 0.1, maxMs: 0.112, jitterMs: 0.006 })
  t.strictSame(summarizeTimes([7]), { minMs: 7, avgMs: 7, maxMs: 7, jitterMs: 0 })
  t.equal(summarizeTimes([]), null)
  t.end()
})

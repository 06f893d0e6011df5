import t from 'tap'
import { describe, judge } from './judge.ts'

const series = (values: number[], rest = {}) => ({ name: 'handles', unit: '', values, share: 0.1, beside: 2, ...rest })
const flat = Array.from({ length: 40 }, (_, nth) => 100 + nth % 3)

t.test('what goes up and down, or up once at the begin, does not grow', t => {
  t.equal(judge(series(flat)).grows, false)
  t.equal(judge(series([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, ...flat.slice(10)])).grows, false)
  t.equal(judge(series(flat.map((value, nth) => nth === 38 ? 900 : value))).grows, false, 'a peak')
  t.end()
})

t.test('what goes up all the time grows', t => {
  t.match(judge(series(flat.map((_, nth) => 100 + nth * 2))), { first: 129, last: 169, most: 178, grows: true })
  t.equal(judge(series(flat.map((_, nth) => nth < 30 ? 0 : 1), { share: 0, beside: 0 })).grows, true, 'by one, where none is allowed')
  t.match(describe([judge(series(flat.map((_, nth) => 100 + nth * 2)))]), /^handles +129 +169 +178 +grows$/m)
  t.end()
})

t.test('too few values are not judged', t => {
  t.throws(() => judge(series([1, 2, 3])), /too few/)
  t.end()
})

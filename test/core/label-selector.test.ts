import t from 'tap'
import { parseLabelSelector } from '#core/label-selector.ts'

t.test('reads the syntax of Kubernetes', t => {
  t.same(parseLabelSelector('a=b, c!=d ,e==f'), [
    { key: 'a', operator: 'in', values: ['b'] }, { key: 'c', operator: 'notIn', values: ['d'] }, { key: 'e', operator: 'in', values: ['f'] }
  ])
  t.same(parseLabelSelector('env in (a, b),tier notin (c),app.kubernetes.io/name,!old'), [
    { key: 'env', operator: 'in', values: ['a', 'b'] },
    { key: 'tier', operator: 'notIn', values: ['c'] },
    { key: 'app.kubernetes.io/name', operator: 'exists', values: [] },
    { key: 'old', operator: 'notExists', values: [] }
  ])
  t.same(parseLabelSelector('a='), [{ key: 'a', operator: 'in', values: [''] }])
  t.end()
})

t.test('what it cannot read is refused, never taken for less', t => {
  for (const text of ['', ',', 'a=b,', 'a=b=c', '=b', 'a in b', 'a in (b', 'a > 1', '!', 'a b', 'a=b;c', '-a=b', `a=${'b'.repeat(64)}`]) {
    t.throws(() => parseLabelSelector(text), { code: 'EPH_INVALID_REQUEST' }, text)
  }
  t.end()
})

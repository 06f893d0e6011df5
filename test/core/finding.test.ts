import t from 'tap'
import { severities, verdictOf, type Severity } from '#core/finding.ts'

t.test('the verdict of a pod follows from the worst severity, in the order error, unknown, warning, info', t => {
  const verdictFor: Record<Severity, string> = { error: 'fail', unknown: 'inconclusive', warning: 'warn', info: 'pass' }
  t.equal(verdictOf([]), 'pass')
  for (let bits = 1; bits < 1 << severities.length; bits++) {
    const some = severities.filter((_, index) => bits & 1 << index)
    t.equal(verdictOf(some.map(severity => ({ severity }))), verdictFor[some[0]!], some.join())
    t.equal(verdictOf(some.reverse().map(severity => ({ severity }))), verdictFor[some.at(-1)!], 'in any order')
  }
  t.end()
})

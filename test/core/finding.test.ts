import t from 'tap'
import { severities, verdictOf, verdictOfPart, type Severity } from '#core/finding.ts'

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

t.test('a part of a measurement can fail a pod, but never pass it', t => {
  t.equal(verdictOfPart([]), 'inconclusive')
  for (const severity of severities) t.equal(verdictOfPart([{ severity }]), severity === 'error' ? 'fail' : 'inconclusive', severity)
  t.end()
})

import t from 'tap'
import { selects } from '#analysis/policy-selects.ts'
import type { LabelSelector } from '#core/objects.ts'

const labels = { app: 'web', tier: 'front' }
const by = (...matchExpressions: [string, string, ...string[]][]): LabelSelector =>
  ({ matchLabels: {}, matchExpressions: matchExpressions.map(([key, operator, ...values]) => ({ key, operator, values })) })

const cases: [string, LabelSelector, boolean][] = [
  ['nothing selects everything', by(), true],
  ['a label', { matchLabels: { app: 'web' }, matchExpressions: [] }, true],
  ['another value', { matchLabels: { app: 'db' }, matchExpressions: [] }, false],
  ['one of two labels is missing', { matchLabels: { app: 'web', zone: 'a' }, matchExpressions: [] }, false],
  ['In', by(['app', 'In', 'db', 'web']), true],
  ['In of others', by(['app', 'In', 'db']), false],
  ['In of a missing label', by(['zone', 'In', 'a']), false],
  ['NotIn', by(['app', 'NotIn', 'db']), true],
  ['NotIn of its own', by(['app', 'NotIn', 'web']), false],
  ['NotIn of a missing label', by(['zone', 'NotIn', 'a']), true],
  ['Exists', by(['app', 'Exists']), true],
  ['Exists of a missing label', by(['zone', 'Exists']), false],
  ['DoesNotExist', by(['zone', 'DoesNotExist']), true],
  ['DoesNotExist of its own', by(['app', 'DoesNotExist']), false],
  ['every expression', by(['app', 'Exists'], ['tier', 'In', 'back']), false],
  ['an operator of tomorrow', by(['app', 'Gt', '1']), false]
]

t.test('selects as Kubernetes does', t => {
  for (const [what, selector, expected] of cases) t.equal(selects(selector, labels), expected, what)
  t.end()
})

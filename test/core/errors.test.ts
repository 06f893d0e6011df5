import t from 'tap'
import { asProblem, errorTable, Problem, type ErrorCode } from '#core/errors.ts'

const entries = Object.entries(errorTable) as [ErrorCode, (typeof errorTable)[ErrorCode]][]

t.test('every code has texts, a sane status and says what a repetition may do', t => {
  for (const [code, { status, title, remedy, retryable, effect }] of entries) {
    t.match(code, /^EPH_[A-Z]+(?:_[A-Z]+)*$/)
    t.ok(status === 200 || (status >= 400 && status <= 504), `${code} ${status}`)
    for (const text of [title, remedy]) t.match(text, /^[A-Z].*[^.\s]$/, `${code} "${text}"`)
    t.ok(['no', 'later', 'now'].includes(retryable))
    t.ok(['none', 'unknown', 'done'].includes(effect))
  }
  t.end()
})

t.test('who may not, or asks for what is not there, is never told to repeat it', t => {
  for (const [code, { status, retryable, effect }] of entries) {
    if ([400, 401, 404, 405, 413, 415, 416].includes(status)) t.same([retryable, effect], ['no', 'none'], code)
    if (status === 429) t.same([retryable, effect], ['later', 'none'], code)
  }
  t.end()
})

t.test('a problem takes retryable and effect from the table, unless its place knows better', t => {
  const cause = new Error('reset')
  const problem = new Problem('EPH_POD_GONE', 'Cannot go on: the pod is gone', { cause })
  t.match(problem, { code: 'EPH_POD_GONE', status: 409, retryable: 'now', effect: 'unknown', retryAfterSeconds: null, errors: [], cause, name: 'Problem' })
  t.match(new Problem('EPH_POD_GONE', 'x', { effect: 'none', retryable: 'no', retryAfterSeconds: 3 }), { effect: 'none', retryable: 'no', retryAfterSeconds: 3 })
  t.end()
})

t.test('an unexpected error becomes EPH_INTERNAL, keeps its cause and tells nothing of it', t => {
  const secret = new Error('password=hunter2')
  const problem = asProblem(secret)
  t.equal(problem.code, 'EPH_INTERNAL')
  t.equal(problem.cause, secret)
  t.notMatch(problem.message, /hunter2/)
  t.equal(asProblem(problem), problem)
  t.equal(asProblem('a string').code, 'EPH_INTERNAL')
  t.end()
})

import t from 'tap'
import { Value } from 'typebox/value'
import { errorTable, Problem, type ErrorCode } from '#core/errors.ts'
import { problemDetails, ProblemDetails } from '#core/problem-details.ts'

t.test('every code becomes a problem that fits its schema, with a status of failures only', t => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const details = problemDetails(new Problem(code, 'Cannot do it: it is done'), 'request-1')
    t.ok(Value.Check(ProblemDetails, details), code)
    t.ok(details.status >= 400 && details.status < 600, `${code} ${details.status}`)
    t.match(details, { type: `/problems/${code}`, code, title: errorTable[code].title, detail: 'Cannot do it: it is done', requestId: 'request-1' })
  }
  t.end()
})

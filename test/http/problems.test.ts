import t from 'tap'
import { errorTable, type ErrorCode } from '#core/errors.ts'
import { statusOf } from '#core/problem-details.ts'
import { build } from '../support/build-app.ts'

t.test('every code is explained, as the table says it, without a token', async t => {
  const { app } = await build(t)
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const { title, remedy, retryable, effect } = errorTable[code]
    const response = await app.inject({ url: `/problems/${code}` })
    t.equal(response.statusCode, 200, code)
    t.same(response.json(), { code, status: statusOf(code), title, remedy, retryable, effect }, code)
  }
})

t.test('an explanation comes as JSON, as a page or as text, as it is liked best', async t => {
  const { app } = await build(t)
  const accept = (accept: string) => app.inject({ url: '/problems/EPH_POD_SECURITY', headers: { accept } })
  const page = await accept('text/html,application/xhtml+xml;q=0.9,*/*;q=0.8')
  t.match(page.headers, { 'content-type': 'text/html; charset=utf-8', vary: /Accept/, 'content-security-policy': /default-src 'none'/ })
  t.match(page.body, /<h1>EPH_POD_SECURITY<\/h1>.*namespace&#39;s PodSecurity/s)
  const text = await accept('text/plain')
  t.match(text.body, /^EPH_POD_SECURITY: The namespace's PodSecurity .*\nretryable: no, effect: none\n$/s)
  t.match((await accept('application/xml')).headers['content-type'], /^application\/json/)
})

t.test('what is no code is not explained', async t => {
  const { app } = await build(t)
  for (const [name, status, code] of [
    ['EPH_NOPE', 404, 'EPH_NOT_FOUND'], ['constructor', 400, 'EPH_INVALID_REQUEST'], ['__proto__', 400, 'EPH_INVALID_REQUEST'], ['<b>', 400, 'EPH_INVALID_REQUEST']
  ] as const) {
    const response = await app.inject({ url: `/problems/${encodeURIComponent(name)}` })
    t.match(response.json(), { status, code }, name)
    t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
  }
})

import t from 'tap'
import { Problem } from '#core/errors.ts'
import { build, token } from '../support/build-app.ts'
import { ids, launch, principal } from '../support/samples.ts'

const calls = [
  ['GET', '/v1/whoami'], ['GET', '/v1/capabilities'], ['GET', '/v1/namespaces'], ['GET', '/v1/targets?namespace=shop'], ['GET', '/v1/diagnostics'],
  ['GET', '/v1/diagnostics/sample-lookup'], ['POST', '/v1/jobs'], ['GET', '/v1/jobs'], ['GET', `/v1/jobs/${ids.job}`], ['GET', `/v1/jobs/${ids.job}/pods`],
  ['GET', `/v1/jobs/${ids.job}/events`], ['POST', `/v1/jobs/${ids.job}/cancel`], ['POST', `/v1/jobs/${ids.job}/finish`], ['GET', '/v1/sessions'],
  ['GET', `/v1/sessions/${ids.session}`], ['POST', `/v1/sessions/${ids.session}/close`], ['GET', '/v1/runs'], ['GET', `/v1/runs/${ids.run}`],
  ['GET', `/v1/runs/${ids.run}/output`], ['GET', '/v1/artifacts'], ['GET', `/v1/artifacts/${ids.artifact}`], ['GET', `/v1/artifacts/${ids.artifact}/content`],
  ['HEAD', `/v1/artifacts/${ids.artifact}/content`], ['POST', '/graphql'], ['GET', '/v1/nothing/here'], ['DELETE', '/v1/jobs']
] as const

t.test('every call needs a token, and its body is not read before', async t => {
  const { app, audited } = await build(t)
  for (const [method, url] of calls) {
    for (const headers of [{}, { authorization: 'Bearer bad' }, { upgrade: 'websocket', connection: 'upgrade' }]) {
      const response = await app.inject({ method, url, headers: { ...headers, 'content-type': 'application/json' }, ...(method === 'POST' && { payload: '{' }) })
      t.equal(response.statusCode, 401, `${method} ${url}`)
      t.equal(response.headers['www-authenticate'], 'Bearer realm="ephemera"')
      if (method !== 'HEAD') t.match(response.json(), { code: 'EPH_UNAUTHENTICATED', type: '/problems/EPH_UNAUTHENTICATED' })
    }
  }
  t.same(audited, [], 'who is nobody leaves no rows')
})

t.test('every call is there for who has one', async t => {
  const { call } = await build(t)
  for (const [method, url] of calls.slice(0, -2)) {
    const payload = url === '/v1/jobs' ? launch : { query: '{ __typename }' }
    const { statusCode } = await call({ method, url, ...(method === 'POST' && !/cancel|finish|close/.test(url) && { payload }) })
    t.ok(statusCode >= 200 && statusCode < 300, `${method} ${url} ${statusCode}`)
  }
})

t.test('what identifies the caller is the request itself, not what it says of somebody else', async t => {
  const seen: unknown[] = []
  const { app } = await build(t, {}, {
    authenticate: async credentials => {
      seen.push(credentials)
      return principal
    }
  })
  await app.inject({ url: '/v1/whoami', headers: { authorization: token, 'x-forwarded-for': '10.9.9.9' }, remoteAddress: '192.0.2.7' })
  t.match(seen, [{ remoteAddress: '192.0.2.7', headers: { authorization: token } }])
})

t.test('identities stated by headers or tickets are refused, not ignored', async t => {
  const { call, audited } = await build(t)
  for (const header of ['impersonate-user', 'impersonate-group', 'impersonate-extra-scopes', 'impersonate-uid', 'x-remote-user', 'x-remote-group', 'x-remote-extra-a']) {
    const response = await call({ url: '/v1/whoami', headers: { [header]: 'root' } })
    t.match(response.json(), { status: 422, code: 'EPH_NOT_SUPPORTED', errors: [{ pointer: `/headers/${header}` }] }, header)
  }
  const ticket = await call({ url: `/v1/jobs/${ids.job}/events?ticket=abc` })
  t.match(ticket.json(), { status: 422, code: 'EPH_NOT_SUPPORTED', errors: [{ pointer: '/query/ticket' }] })
  t.equal(audited.length, 8)
  t.match(audited[0], { action: 'refuse', outcome: 'denied', principal: { username: 'ada' }, code: 'EPH_NOT_SUPPORTED', object: 'GET /v1/whoami' })
  t.match(audited[7], { object: `GET /v1/jobs/${ids.job}/events` })
})

t.test('a caller gets so many requests a minute, over REST and GraphQL together', async t => {
  const { call, audited } = await build(t, {}, { requestsPerMinute: 3 })
  const first = await call({ url: '/v1/whoami' })
  t.match(first.headers, { 'ratelimit-policy': '"caller";q=3;w=60', ratelimit: /^"caller";r=2;t=\d+$/ })
  t.equal(first.json().quotas.requestsPerMinute, 3)
  await call({ method: 'POST', url: '/graphql', payload: { query: '{ __typename }' } })
  t.match((await call({ url: '/v1/nothing' })).headers, { ratelimit: /r=0;/ })
  const refused = await call({ url: '/v1/whoami' })
  t.match(refused.json(), { status: 429, code: 'EPH_RATE_LIMITED', retryable: 'later' })
  t.match(refused.headers, { ratelimit: /r=0;/, 'retry-after': /^\d+$/ })
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.notOk(audited.some(({ code }) => code === 'EPH_RATE_LIMITED'), 'who is too many writes no rows')
})

t.test('a cluster that cannot be asked who calls is a 503 with a time to come back', async t => {
  const { app } = await build(t, {}, {
    authenticate: async () => { throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot review the token: no answer', { retryAfterSeconds: 7 }) }
  })
  const response = await app.inject({ url: '/v1/whoami', headers: { authorization: token } })
  t.match(response.json(), { status: 503, code: 'EPH_CLUSTER_UNAVAILABLE' })
  t.equal(response.headers['retry-after'], '7')
})

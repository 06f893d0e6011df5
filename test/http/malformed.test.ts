import t from 'tap'
import { build } from '../support/build-app.ts'
import { ids, launch } from '../support/samples.ts'

const json = { 'content-type': 'application/json' }

t.test('a body that cannot be read is a problem with a code, and audited', async t => {
  const { call, audited } = await build(t)
  const big = JSON.stringify({ ...launch, reason: 'x'.repeat(1 << 20) })
  for (const [what, headers, payload, status, code] of [
    ['half an object', json, '{"diagnostic":', 400, 'EPH_MALFORMED'],
    ['nothing', json, '', 400, 'EPH_MALFORMED'],
    ['a prototype', json, '{"diagnostic":"sample-lookup","__proto__":{"admin":true}}', 400, 'EPH_MALFORMED'],
    ['a prototype inside', json, '{"target":{"namespace":"shop","__proto__":{"pod":"x"}}}', 400, 'EPH_MALFORMED'],
    ['a constructor', json, '{"constructor":{"prototype":{"admin":true}}}', 400, 'EPH_MALFORMED'],
    ['more than a mebibyte', json, big, 413, 'EPH_TOO_LARGE'],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'diagnostic=x', 415, 'EPH_MEDIA_TYPE'],
    ['text', { 'content-type': 'text/plain' }, JSON.stringify(launch), 415, 'EPH_MEDIA_TYPE'],
    ['xml', { 'content-type': 'application/xml' }, '<a/>', 415, 'EPH_MEDIA_TYPE'],
    ['no type', { 'content-type': '' }, '{}', 415, 'EPH_MEDIA_TYPE'],
    ['zipped', { ...json, 'content-encoding': 'gzip' }, Buffer.from('1f8b0800', 'hex'), 400, 'EPH_MALFORMED']
  ] as const) {
    for (const url of ['/v1/jobs', '/graphql']) {
      const response = await call({ method: 'POST', url, headers, payload })
      t.match(response.json(), { status, code, type: `/problems/${code}` }, `${what} to ${url}`)
      t.match(response.headers, { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' })
      t.match(audited.at(-1), { action: 'refuse', outcome: 'denied', code, object: `POST ${url}` }, what)
    }
  }
  t.equal(audited.length, 22)
  t.notOk('admin' in {})
})

t.test('addresses that are not well-formed are problems, and audited for callers that can be told', async t => {
  const { app, call, audited } = await build(t)
  const addresses: [string, number, string][] = [
    ['/v1/jobs/%zz', 400, 'EPH_MALFORMED'],
    [`/v1/jobs/${'a'.repeat(300)}`, 400, 'EPH_MALFORMED'],
    ['/v1/jobs/..%2f..%2fetc', 400, 'EPH_INVALID_REQUEST'],
    ['/v1/jobs/a%00b', 400, 'EPH_INVALID_REQUEST'],
    ['/v1/jobs/a%2fb', 400, 'EPH_INVALID_REQUEST'],
    [`/v1/jobs/${ids.job.toUpperCase()}`, 400, 'EPH_INVALID_REQUEST'],
    ['/v1/diagnostics/Sample%20Lookup', 400, 'EPH_INVALID_REQUEST'],
    ['/v1/jobs?q=%00', 400, 'EPH_INVALID_REQUEST'],
    ['/v1/jobs?q=%zz', 200, ''],
    ['/v1/nothing', 404, 'EPH_NOT_FOUND'],
    ['/v1', 404, 'EPH_NOT_FOUND'],
    ['/v1/', 404, 'EPH_NOT_FOUND'],
    ['/v1/jobs/', 400, 'EPH_INVALID_REQUEST'],
    ['/v1//jobs', 404, 'EPH_NOT_FOUND'],
    ['/V1/jobs', 404, ''],
    ['/', 404, ''],
    ['/v2/jobs', 404, '']
  ]
  for (const [url, status, code] of addresses) {
    const before = audited.length
    const response = await call({ url })
    t.equal(response.statusCode, status, `${url} ${response.body}`)
    if (status !== 200) t.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8', url)
    t.same(audited.slice(before).map(event => event.code), code === '' ? [] : [code], url)
  }
  const before = audited.length
  t.match((await app.inject({ url: '/v1/jobs/%zz' })).json(), { status: 400, code: 'EPH_MALFORMED' })
  t.equal(audited.length, before)
})

t.test('an address that exists for other methods names them', async t => {
  const { app, call, audited } = await build(t)
  for (const [method, url, allow] of [
    ['DELETE', '/v1/jobs', 'GET, HEAD, POST'], ['PUT', `/v1/jobs/${ids.job}`, 'GET, HEAD'], ['DELETE', `/v1/jobs/${ids.job}`, 'GET, HEAD'],
    ['GET', `/v1/jobs/${ids.job}/cancel`, 'POST'], ['PATCH', '/v1/sessions', 'GET, HEAD'], ['OPTIONS', '/v1/jobs', 'GET, HEAD, POST'],
    ['HEAD', `/v1/jobs/${ids.job}/events`, 'GET'], ['HEAD', '/graphql', 'GET, POST'], ['PUT', '/graphql', 'GET, POST'], ['GET', '/graphql', 'POST']
  ] as const) {
    const response = await call({ method, url, headers: { 'content-type': 'text/plain' }, ...(method === 'PUT' && { payload: 'x' }) })
    t.match(response, { statusCode: 405, headers: { allow } }, `${method} ${url}`)
    if (method !== 'HEAD') t.equal(response.json().code, 'EPH_METHOD_NOT_ALLOWED')
    t.match(audited.at(-1), { code: 'EPH_METHOD_NOT_ALLOWED', object: `${method} ${url}` })
  }
  t.match(await app.inject({ method: 'POST', url: '/livez' }), { statusCode: 405, headers: { allow: 'GET, HEAD' } })
})

t.test('query parameters are refused where they mean nothing', async t => {
  const { call, audited } = await build(t)
  for (const [url, name] of [
    ['/v1/jobs?nope=1', 'nope'], ['/v1/jobs?__proto__=x', '__proto__'], ['/v1/jobs?constructor=x', 'constructor'], [`/v1/jobs/${ids.job}?full=1`, 'full'],
    ['/v1/capabilities?x=1', 'x'], ['/v1/whoami?user=root', 'user'], [`/v1/runs/${ids.run}/output?stream=stdin`, 'stream'],
    [`/v1/runs/${ids.run}/output?follow=1`, 'follow'], ['/v1/jobs?limit=0', 'limit'], ['/v1/jobs?limit=201', 'limit'], ['/v1/jobs?limit=ten', 'limit'],
    ['/v1/jobs?limit=1&limit=2', 'limit'], ['/v1/jobs?state=done', 'state'], ['/v1/jobs?createdAfter=yesterday', 'createdAfter'],
    ['/v1/jobs?createdBefore=2026-02-30T00:00:00Z', 'createdBefore'], ['/v1/jobs?workload=web', 'workload'], ['/v1/jobs?labelSelector=a+b', 'labelSelector'],
    ['/v1/jobs?namespace=..%2fx', 'namespace'], ['/v1/jobs?q=', 'q'], ['/v1/whoami?namespace=A', 'namespace']
  ] as const) {
    const response = await call({ url })
    t.match(response.json(), { status: 400, code: 'EPH_INVALID_REQUEST' }, url)
    t.match(response.json().errors[0].pointer, new RegExp(`^/query/${name}`), url)
    t.equal(audited.at(-1)?.code, 'EPH_INVALID_REQUEST')
  }
  t.equal(audited.length, 20)
})

t.test('calls without a body take none', async t => {
  const { call } = await build(t)
  for (const url of [`/v1/jobs/${ids.job}/cancel`, `/v1/jobs/${ids.job}/finish`, `/v1/sessions/${ids.session}/close`]) {
    t.match((await call({ method: 'POST', url, payload: { reason: 'x' } })).json(), { status: 400, code: 'EPH_INVALID_REQUEST' })
    t.match(await call({ method: 'POST', url, payload: {} }), { statusCode: 200 })
    t.match(await call({ method: 'POST', url }), { statusCode: 200 })
  }
})

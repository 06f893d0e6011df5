import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { Artifact } from '#core/run.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { build, token } from '../support/build-app.ts'
import { artifactBytes, bytesOf } from '../support/fake-use-cases.ts'
import { listen } from '../support/listen.ts'
import { artifact, ids, principal, sha256 } from '../support/samples.ts'

const url = `/v1/artifacts/${ids.artifact}/content`
const etag = `"${sha256}"`
const growing: Artifact = { ...artifact, state: 'growing', sha256: null, completeness: null, sealedAt: null }

function recorded () {
  const asked: unknown[] = []
  const content: UseCases['content'] = async (caller, id, { signal, ...options }) => {
    asked.push([caller, id, options])
    return { artifact, content: bytesOf(artifactBytes.slice(options.start, options.end ?? undefined)) }
  }
  return { asked, content }
}

t.test('an artifact is downloaded whole, with what proves it', async t => {
  const { asked, content } = recorded()
  const { call } = await build(t, { content })
  const response = await call({ url })
  t.match(response, { statusCode: 200, body: artifactBytes })
  t.match(response.headers, {
    'content-type': 'application/vnd.tcpdump.pcap',
    'content-length': '10',
    'content-disposition': `attachment; filename="${ids.artifact}.pcap"`,
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
    etag
  })
  t.same(asked, [[principal, ids.artifact, { start: 0, end: 10, follow: false }]])
})

t.test('a range gives its part, and only that is read', async t => {
  const { asked, content } = recorded()
  const { call } = await build(t, { content })
  for (const [range, body, contentRange] of [
    ['bytes=0-0', '0', 'bytes 0-0/10'], ['bytes=2-4', '234', 'bytes 2-4/10'], ['bytes=7-', '789', 'bytes 7-9/10'], ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=5-99', '56789', 'bytes 5-9/10'], ['bytes=-99', artifactBytes, 'bytes 0-9/10'], ['BYTES=1-1', '1', 'bytes 1-1/10']
  ] as const) {
    const response = await call({ url, headers: { range } })
    t.match(response, { statusCode: 206, body, headers: { 'content-range': contentRange, 'content-length': `${body.length}`, etag } }, range)
  }
  t.match(asked[1], [principal, ids.artifact, { start: 2, end: 5 }])
})

t.test('a range outside is 416 with the size, and not kept as the content', async t => {
  const { asked, content } = recorded()
  const { call, audited } = await build(t, { content })
  for (const range of ['bytes=10-', 'bytes=99-100', 'bytes=-0']) {
    const response = await call({ url, headers: { range } })
    t.match(response.json(), { status: 416, code: 'EPH_RANGE' }, range)
    t.match(response.headers, { 'content-range': 'bytes */10', 'cache-control': 'no-store' })
    t.notOk('etag' in response.headers)
  }
  t.same(asked, [])
  t.equal(audited.length, 3)
})

t.test('what is no single range of bytes gives the whole, as RFC 9110 says', async t => {
  const { call } = await build(t)
  for (const range of ['bytes=4-2', 'bytes=0-1,3-4', 'items=0-1', 'bytes=', 'bytes=a-b', 'bytes=--1']) {
    t.match(await call({ url, headers: { range } }), { statusCode: 200, body: artifactBytes }, range)
  }
})

t.test('If-Range gives the part of the version that it names, else the whole', async t => {
  const { call } = await build(t)
  const range = 'bytes=0-1'
  t.match(await call({ url, headers: { range, 'if-range': etag } }), { statusCode: 206, body: '01' })
  for (const other of ['"other"', `W/${etag}`, 'Tue, 24 Nov 2026 08:00:00 GMT']) {
    t.match(await call({ url, headers: { range, 'if-range': other } }), { statusCode: 200, body: artifactBytes }, other)
  }
})

t.test('If-None-Match answers 304 without reading anything', async t => {
  const { asked, content } = recorded()
  const { call } = await build(t, { content })
  t.match(await call({ url, headers: { 'if-none-match': etag } }), { statusCode: 304, body: '', headers: { etag } })
  t.same(asked, [])
})

t.test('HEAD says what GET would, and reads nothing', async t => {
  const { asked, content } = recorded()
  const { call } = await build(t, { content })
  const response = await call({ method: 'HEAD', url })
  t.match(response, { statusCode: 200, body: '' })
  t.match(response.headers, { 'content-length': '10', 'content-type': 'application/vnd.tcpdump.pcap', 'accept-ranges': 'bytes', 'repr-digest': /^sha-256=:/, etag })
  t.notOk('content-length' in (await call({ method: 'HEAD', url: `${url}?follow=true` })).headers)
  t.equal((await call({ method: 'HEAD', url: `${url}?nope=1` })).statusCode, 400)
  t.equal((await call({ method: 'HEAD', url: `/v1/artifacts/${ids.other}/content` })).statusCode, 404)
  t.same(asked, [])
})

t.test('HEAD over a socket has the length and no body', async t => {
  const { app } = await build(t)
  const { origin } = await listen(app)
  const response = await fetch(origin + url, { method: 'HEAD', headers: { authorization: token } })
  t.equal(response.headers.get('content-length'), '10')
  t.equal(await response.text(), '')
})

t.test('a growing artifact has no digest yet; what there is comes at once', async t => {
  const { call } = await build(t, { artifact: async () => growing })
  const response = await call({ url })
  t.match(response, { statusCode: 200, body: artifactBytes, headers: { 'content-length': '10' } })
  t.notOk('etag' in response.headers || 'repr-digest' in response.headers)
})

t.test('follow goes on while it grows, without a length', async t => {
  const more = Promise.withResolvers<void>()
  const asked: unknown[] = []
  const { app } = await build(t, {
    artifact: async () => growing,
    async content (_caller, _id, { start, end, follow }) {
      asked.push({ start, end, follow })
      return {
        artifact: growing,
        content: (async function * () {
          yield Buffer.from('first')
          await more.promise
          yield Buffer.from('second')
        })()
      }
    }
  })
  const { origin } = await listen(app)
  const response = await fetch(`${origin}${url}?follow=true`, { headers: { authorization: token } })
  t.equal(response.headers.get('content-length'), null)
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  t.equal((await reader.read()).value, 'first')
  more.resolve()
  t.equal((await reader.read()).value, 'second')
  t.ok((await reader.read()).done)
  t.same(asked, [{ start: 0, end: null, follow: true }])
})

t.test('a range of what still grows by follow is refused, not guessed', async t => {
  const { call } = await build(t)
  t.match((await call({ url: `${url}?follow=true`, headers: { range: 'bytes=0-' } })).json(), { status: 422, code: 'EPH_NOT_SUPPORTED', errors: [{ pointer: '/headers/range' }] })
})

t.test('an expired artifact is gone, and its tombstone says what it was', async t => {
  const { call } = await build(t, { artifact: async () => ({ ...artifact, state: 'expired' }) })
  const response = await call({ url })
  t.match(response.json(), { status: 410, code: 'EPH_ARTIFACT_EXPIRED', detail: new RegExp(`10 bytes, sha256 ${sha256}`) })
  t.equal((await call({ method: 'HEAD', url })).statusCode, 410)
})

t.test('a store that fails before the first byte is a problem without the headers of the content', async t => {
  const { call } = await build(t, { content: async () => { throw new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot read from the bucket: no answer') } })
  const response = await call({ url })
  t.match(response.json(), { status: 503, code: 'EPH_BUCKET_UNAVAILABLE' })
  t.match(response.headers, { 'retry-after': '5', 'content-type': /problem\+json/ })
  for (const name of ['etag', 'repr-digest', 'content-disposition', 'accept-ranges']) t.notOk(name in response.headers, name)
})

t.test('a store that fails at the first byte is a problem too', async t => {
  const { call } = await build(t, {
    content: async () => ({ artifact, content: (async function * () { throw new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot read from the bucket: no answer') })() })
  })
  const response = await call({ url })
  t.match(response.json(), { status: 503, code: 'EPH_BUCKET_UNAVAILABLE' })
  t.notOk('repr-digest' in response.headers)
})

t.test('a store that fails later cuts the download off', async t => {
  const { app } = await build(t, {
    content: async () => ({
      artifact,
      content: (async function * () {
        yield Buffer.from('0123')
        throw new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot read from the bucket: no answer')
      })()
    })
  })
  const { origin } = await listen(app)
  const response = await fetch(origin + url, { headers: { authorization: token } })
  await t.rejects(response.arrayBuffer())
})

t.test('names from elsewhere cannot break out of the headers', async t => {
  const { call } = await build(t, { artifact: async () => ({ ...artifact, kind: 'p"; x=\r\ny', contentType: 'text/html\r\nset-cookie: a=b' }) })
  t.match((await call({ url })).headers, { 'content-type': 'application/octet-stream', 'content-disposition': `attachment; filename="${ids.artifact}.pxy"` })
})

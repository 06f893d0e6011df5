import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { build, token } from '../support/build-app.ts'
import { bytesOf } from '../support/fake-use-cases.ts'
import { listen } from '../support/listen.ts'
import { ids, principal, run } from '../support/samples.ts'

const url = `/v1/runs/${ids.run}/output`

function recorded () {
  const asked: unknown[] = []
  const output: UseCases['output'] = async (caller, id, { signal, ...options }) => {
    asked.push([caller, id, options])
    return { run, content: bytesOf('one\n') }
  }
  return { asked, output }
}

t.test('output comes as text in which no byte drives a terminal', async t => {
  const { call } = await build(t)
  const response = await call({ url })
  t.match(response.headers, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'private, no-store', vary: /Accept/ })
  t.equal(response.body, 'one\n\\x1b[31mtwo\\u{202e}tail\n', 'also where a character was cut in two')
})

t.test('output comes byte by byte where that is asked for, as a download', async t => {
  const { call } = await build(t)
  const response = await call({ url, headers: { accept: 'application/octet-stream' } })
  t.match(response.headers, {
    'content-type': 'application/octet-stream', 'content-disposition': `attachment; filename="${ids.run}.stdout"`, 'x-content-type-options': 'nosniff'
  })
  t.same(response.rawPayload, Buffer.from('one\n\x1b[31mtwo\xe2\x80\xaetail\n', 'latin1'))
})

t.test('what is read is asked for with its rights: bytes as payload, text not', async t => {
  const { asked, output } = recorded()
  const { call } = await build(t, { output })
  await call({ url })
  await call({ url: `${url}?stream=stderr&follow=true` })
  await call({ url: `${url}?stream=stderr&follow=false`, headers: { accept: 'application/octet-stream' } })
  t.same(asked, [
    [principal, ids.run, { stream: 'stdout', raw: false, follow: false }],
    [principal, ids.run, { stream: 'stderr', raw: false, follow: true }],
    [principal, ids.run, { stream: 'stderr', raw: true, follow: false }]
  ])
})

t.test('who may not read payloads gets a problem, and nothing of the headers of a download', async t => {
  const { call, audited } = await build(t, { output: async () => { throw new Problem('EPH_FORBIDDEN', 'Cannot read payloads in shop') } })
  const response = await call({ url, headers: { accept: 'application/octet-stream' } })
  t.match(response.json(), { status: 403, code: 'EPH_FORBIDDEN' })
  t.match(response.headers, { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' })
  t.notOk('content-disposition' in response.headers)
  t.same(audited, [])
})

t.test('output that grows flows while it grows, and ends for a caller who goes away', async t => {
  const more = Promise.withResolvers<void>()
  let signal: AbortSignal | undefined
  const { app } = await build(t, {
    async output (_caller, _id, options) {
      signal = options.signal
      async function * content () {
        yield Buffer.from('one\n')
        await more.promise
        yield Buffer.from('two\n')
        await new Promise(resolve => { options.signal.addEventListener('abort', resolve) })
      }
      return { run, content: content() }
    }
  })
  const { origin } = await listen(app)
  const leaving = new AbortController()
  const response = await fetch(`${origin}${url}?follow=true`, { headers: { authorization: token }, signal: leaving.signal })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  t.equal((await reader.read()).value, 'one\n')
  more.resolve()
  t.equal((await reader.read()).value, 'two\n')
  leaving.abort()
  await reader.read().catch(() => null)
  if (!signal!.aborted) await new Promise(resolve => { signal!.addEventListener('abort', resolve) })
  t.ok(signal!.aborted)
})

t.test('output that cannot be read to its end is cut off, never ended as if it were whole', async t => {
  for (const accept of ['text/plain', 'application/octet-stream']) {
    const { app } = await build(t, {
      output: async () => ({
        run,
        content: (async function * () {
          yield Buffer.from('one\n')
          throw new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot reach the database')
        })()
      })
    })
    const { origin } = await listen(app)
    const response = await fetch(origin + url, { headers: { authorization: token, accept } })
    await t.rejects(response.text(), accept)
  }
})

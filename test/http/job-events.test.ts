import { EventEmitter, on } from 'node:events'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { JobEvent } from '#core/ports/storage.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { build, token } from '../support/build-app.ts'
import { listen } from '../support/listen.ts'
import { events, ids, queued } from '../support/samples.ts'

const url = `/v1/jobs/${ids.job}/events`

interface Received { id?: string, event?: string, data?: unknown }

/** As EventSource reads it, comments left out. */
const parse = (text: string): Received[] => text.split('\n\n').filter(block => /^(?:id|event|data):/m.test(block)).map(block =>
  Object.fromEntries(block.split('\n').map(line => {
    const [, field = '', value = ''] = /^(\w+): (.*)$/s.exec(line) ?? []
    return [field, field === 'data' ? JSON.parse(value) : value]
  })))

/** Events that a test sends one by one; ends with the signal, as the real ones do. */
function channel () {
  const emitter = new EventEmitter()
  let signal: AbortSignal | undefined
  const useCase: UseCases['events'] = async (_caller, _id, options) => {
    signal = options.signal
    async function * follow (): AsyncGenerator<JobEvent> {
      try {
        for await (const [event] of on(emitter, 'event', { signal: options.signal })) yield event
      } catch (error) {
        if (!options.signal.aborted) throw error
      }
    }
    return follow()
  }
  return { useCase, send: (event: JobEvent) => emitter.emit('event', event), get signal () { return signal } }
}

t.test('events of an ended job come from the first to the end, then the stream closes', async t => {
  const { call } = await build(t)
  const response = await call({ url })
  t.match(response.headers, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
  t.same(parse(response.body), events.map(({ seq, type, data }) => ({ id: `${seq}`, event: type, data })))
})

t.test('Last-Event-ID resumes behind that event', async t => {
  const { call } = await build(t)
  t.same(parse((await call({ url, headers: { 'last-event-id': '2' } })).body).map(({ id }) => id), ['3', '4'])
  t.same(parse((await call({ url, headers: { 'last-event-id': '' } })).body).length, 4)
})

t.test('204 tells an EventSource to ask no more, where nothing follows', async t => {
  const { call } = await build(t)
  t.match(await call({ url, headers: { 'last-event-id': '4' } }), { statusCode: 204, body: '' })
})

t.test('a Last-Event-ID that is the id of no event is refused', async t => {
  const { call, audited } = await build(t)
  for (const id of ['x', '-1', '1.5', '9'.repeat(16), '1, 2']) {
    t.match((await call({ url, headers: { 'last-event-id': id } })).json(), { status: 400, code: 'EPH_INVALID_REQUEST', errors: [{ pointer: '/headers/last-event-id' }] }, id)
  }
  t.equal(audited.length, 5)
})

t.test('who may not watch is refused before the stream begins', async t => {
  const { call } = await build(t, { job: async () => queued, events: async () => { throw new Problem('EPH_FORBIDDEN', 'Cannot watch jobs in shop') } })
  const response = await call({ url })
  t.match(response.json(), { status: 403, code: 'EPH_FORBIDDEN' })
  t.match((await call({ url: `/v1/jobs/${ids.other}/events` })).json(), { code: 'EPH_FORBIDDEN' })
})

t.test('names of events and texts of outputs cannot forge events', async t => {
  const forged = [{ seq: 1, type: 'out\nid: 99\nput', data: { text: 'a\n\nid: 98\ndata: {}\r\nevent: end\u2028' }, at: '' }, { seq: 2, type: 'end', data: {}, at: '' }]
  const { call } = await build(t, { events: async () => (async function * () { yield * forged })() })
  t.same(parse((await call({ url })).body), [{ id: '1', event: 'outid99put', data: forged[0]!.data }, { id: '2', event: 'end', data: {} }])
})

t.test('events reach the caller as they happen', async t => {
  const { useCase, send } = channel()
  const { app } = await build(t, { job: async () => queued, events: useCase })
  const { origin } = await listen(app)
  const response = await fetch(origin + url, { headers: { authorization: token } })
  t.equal(response.status, 200, 'before the first event')
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  t.match((await reader.read()).value, /^: ephemera\nretry: 2000\n\n$/)
  for (const event of events) {
    send(event)
    t.same(parse((await reader.read()).value ?? ''), [{ id: `${event.seq}`, event: event.type, data: event.data }])
  }
  t.ok((await reader.read()).done, 'closed after end')
})

t.test('a caller who goes away ends what was opened for him', async t => {
  const events = channel()
  const { app } = await build(t, { job: async () => queued, events: events.useCase })
  const { origin } = await listen(app)
  const leaving = new AbortController()
  const response = await fetch(origin + url, { headers: { authorization: token }, signal: leaving.signal })
  const reader = response.body!.getReader()
  await reader.read()
  t.notOk(events.signal!.aborted)
  leaving.abort()
  await reader.read().catch(() => null)
  if (!events.signal!.aborted) await new Promise(resolve => { events.signal!.addEventListener('abort', resolve) })
  t.ok(events.signal!.aborted)
})

t.test('a stopping service ends the stream without an end, so that it is resumed elsewhere', async t => {
  const events = channel()
  const { app } = await build(t, { job: async () => queued, events: events.useCase })
  const { origin } = await listen(app)
  const response = await fetch(origin + url, { headers: { authorization: token } })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  await reader.read()
  const closed = app.close()
  t.ok((await reader.read()).done)
  await closed
})

t.test('a stream that can go no further says why in an event without an id', async t => {
  const lost = new Problem('EPH_FORBIDDEN', 'Cannot watch jobs in shop: the right was taken')
  const { call, logged } = await build(t, {
    job: async () => queued,
    events: async () => (async function * () {
      yield events[0]!
      throw lost
    })()
  })
  const response = await call({ url })
  const received = parse(response.body)
  t.match(received, [{ id: '1' }, { event: 'problem', data: { code: 'EPH_FORBIDDEN', status: 403, requestId: response.headers['x-request-id'] } }])
  t.notOk('id' in received[1]!)
  t.match(logged.join(''), /event stream ended early/)
})

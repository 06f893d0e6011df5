import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { AppOptions } from '../../src/app.ts'
import { Problem } from '#core/errors.ts'
import type { JobEvent } from '#core/ports/storage.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { build, token } from '../support/build-app.ts'
import { openSocket, type Message } from '../support/graphql-socket.ts'
import { listen } from '../support/listen.ts'
import { events, ids, principal } from '../support/samples.ts'

async function start (t: Test, useCases: Partial<UseCases> = {}, options: Partial<AppOptions> = {}) {
  const app = await build(t, useCases, options)
  const { port } = await listen(app.app)
  const open = (settings?: Parameters<typeof openSocket>[2]) => openSocket(t, port, settings)
  return {
    ...app,
    open,
    /** With a socket that has said who it is. */
    async ready () {
      const socket = await open()
      socket.send({ type: 'connection_init', payload: { authorization: token } })
      t.same(await socket.next(), { type: 'connection_ack' })
      return socket
    }
  }
}

const jobEvents = (id: string = ids.job, after?: number) => ({
  query: 'subscription ($id: ID!, $after: Long! = 0) { jobEvents(id: $id, after: $after) { seq type data at } }',
  variables: { id, ...(after !== undefined && { after }) }
})
const subscribe = (payload: unknown, id = '1'): Message => ({ id, type: 'subscribe', payload })

/** Events that never come, until the signal says that nobody waits for them. */
const silent: UseCases['events'] = async (_caller, _id, { signal }) => (async function * (): AsyncGenerator<JobEvent> {
  if (!signal.aborted) await new Promise(resolve => { signal.addEventListener('abort', resolve) })
})()

t.test('events of a job come one by one, then it is complete', async t => {
  const asked: unknown[] = []
  const { ready } = await start(t, {
    async events (caller, id, { afterSeq }) {
      asked.push([caller, id, afterSeq])
      return (async function * () { yield * events.filter(({ seq }) => seq > afterSeq) })()
    }
  })
  const socket = await ready()
  socket.send(subscribe(jobEvents()))
  for (const event of events) t.same(await socket.next(), { id: '1', type: 'next', payload: { data: { jobEvents: event } } })
  t.same(await socket.next(), { id: '1', type: 'complete' })
  socket.send(subscribe(jobEvents(ids.job, 3), '2'))
  t.match(await socket.next(), { id: '2', type: 'next', payload: { data: { jobEvents: { seq: 4, type: 'end' } } } })
  t.same(await socket.next(), { id: '2', type: 'complete' })
  t.same(asked, [[principal, ids.job, 0], [principal, ids.job, 3]])
})

t.test('the token may be named as clients like, or come with the upgrade', async t => {
  const { open } = await start(t)
  const named = await open()
  named.send({ type: 'connection_init', payload: { Authorization: token } })
  t.same(await named.next(), { type: 'connection_ack' })
  const early = await open({ headers: { authorization: token } })
  early.send({ type: 'connection_init' })
  t.same(await early.next(), { type: 'connection_ack' })
  await t.rejects(open({ headers: { authorization: 'Bearer bad' } }), /401/)
})

t.test('whoever does not say who he is gets nothing', async t => {
  const { open, audited } = await start(t)
  for (const payload of [undefined, null, {}, { authorization: 'Bearer bad' }, { authorization: 7 }, 'Bearer good', [token]]) {
    const socket = await open()
    socket.send({ type: 'connection_init', payload })
    t.same(await socket.closed, { code: 4403, reason: 'EPH_UNAUTHENTICATED' }, JSON.stringify(payload))
  }
  const hasty = await open()
  hasty.send(subscribe(jobEvents()))
  t.match(await hasty.closed, { code: 4401 })
  t.same(audited, [])
})

t.test('a cluster that cannot be asked who calls lets him try again', async t => {
  const { open } = await start(t, {}, { authenticate: async () => { throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot review the token: no answer') } })
  const socket = await open()
  socket.send({ type: 'connection_init', payload: { authorization: token } })
  t.same(await socket.closed, { code: 1013, reason: 'EPH_CLUSTER_UNAVAILABLE' })
})

t.test('what may not be watched is refused with its code, and audited by the use case alone', async t => {
  const { ready, audited } = await start(t, {
    events: async (_caller, id) => { throw new Problem(id === ids.job ? 'EPH_FORBIDDEN' : 'EPH_NOT_FOUND', 'Cannot watch') }
  })
  const socket = await ready()
  socket.send(subscribe(jobEvents()))
  t.match(await socket.next(), { id: '1', type: 'error', payload: [{ message: 'Cannot watch', path: ['jobEvents'], extensions: { code: 'EPH_FORBIDDEN', status: 403 } }] })
  socket.send(subscribe(jobEvents(ids.other)))
  t.match(await socket.next(), { id: '1', type: 'error', payload: [{ extensions: { code: 'EPH_NOT_FOUND' } }] }, 'the id is free again')
  t.same(audited, [])
})

t.test('a subscription that fails unexpectedly says nothing of why', async t => {
  const { ready, logged } = await start(t, {
    events: async () => (async function * () {
      yield events[0]!
      throw new Error('password=hunter2')
    })()
  })
  const socket = await ready()
  socket.send(subscribe(jobEvents()))
  t.match(await socket.next(), { type: 'next' })
  const failure = await socket.next()
  t.match(failure, { id: '1', type: 'error', payload: [{ extensions: { code: 'EPH_INTERNAL', requestId: /^[0-9a-f-]{36}$/ } }] })
  t.notMatch(JSON.stringify(failure), /hunter2/)
  t.match(logged.join(''), /hunter2/)
})

t.test('what does not fit is refused with a code, audited, and leaves the socket open', async t => {
  const { ready, audited } = await start(t)
  const socket = await ready()
  const refusals: [unknown, string][] = [
    [jobEvents('x'), 'EPH_INVALID_REQUEST'], [jobEvents(ids.job, -1), 'EPH_INVALID_REQUEST'], [jobEvents(ids.job, 1.5), 'EPH_INVALID_REQUEST'],
    [{ query: 'subscription { nope }' }, 'EPH_INVALID_REQUEST'], [{ query: 'subscription {' }, 'EPH_MALFORMED'], [{ query: '' }, 'EPH_INVALID_REQUEST'],
    [{ query: '{ whoami { uid } }' }, 'EPH_INVALID_REQUEST'], [{ query: 'mutation { cancelJob(id: "x") { id } }' }, 'EPH_INVALID_REQUEST'],
    [{ query: `subscription { a: jobEvents(id: "${ids.job}") { seq } b: jobEvents(id: "${ids.job}") { seq } }` }, 'EPH_INVALID_REQUEST'],
    [{ query: `subscription { jobEvents(id: "${ids.job}") { ${'seq '.repeat(501)} } }` }, 'EPH_INVALID_REQUEST'],
    [{ query: `subscription { jobEvents(id: "${ids.job}") { ${'seq '.repeat(5000)} } }` }, 'EPH_MALFORMED'],
    [{ query: 'subscription { ...a } fragment a on Subscription { ...a }' }, 'EPH_INVALID_REQUEST'], [{ ...jobEvents(), variables: {} }, 'EPH_INVALID_REQUEST'],
    [{ ...jobEvents(), operationName: 'other' }, 'EPH_INVALID_REQUEST'], [{ ...jobEvents(), unknown: 1 }, 'EPH_INVALID_REQUEST'], [undefined, 'EPH_INVALID_REQUEST'],
    [{ query: { kind: 'Document', definitions: [] } }, 'EPH_INVALID_REQUEST'], ['subscription { x }', 'EPH_INVALID_REQUEST']
  ]
  for (const [payload, code] of refusals) {
    socket.send(subscribe(payload))
    const answer = await socket.next()
    t.match(answer, { id: '1', type: 'error', payload: [{ extensions: { code } }] }, JSON.stringify(payload)?.slice(0, 90))
    t.match(audited.at(-1), { action: 'refuse', code, object: 'GET /graphql', principal: { username: 'ada' } })
  }
  t.equal(audited.length, refusals.length)
  socket.send({ type: 'ping', payload: { any: 1 } })
  t.same(await socket.next(), { type: 'pong' })
})

t.test('a subscription that is completed, or whose socket closes, ends what was opened for it', async t => {
  const signals: AbortSignal[] = []
  const { ready } = await start(t, {
    async events (caller, id, options) {
      signals.push(options.signal)
      return silent(caller, id, options)
    }
  })
  const socket = await ready()
  socket.send(subscribe(jobEvents()))
  socket.send(subscribe(jobEvents(), '2'))
  socket.send({ type: 'ping' })
  await socket.next()
  while (signals.length < 2) await new Promise(resolve => { setImmediate(resolve) })
  socket.send({ type: 'complete', id: '1' })
  await once(signals[0]!, 'abort')
  t.notOk(signals[1]!.aborted, 'the other goes on')
  socket.send(subscribe({ query: '{' }, '1'))
  t.match(await socket.next(), { id: '1', type: 'error' }, 'nothing of the completed one came, and its id is free')
  socket.socket.terminate()
  if (!signals[1]!.aborted) await once(signals[1]!, 'abort')
  t.ok(signals[1]!.aborted)
})

t.test('messages that are none of the protocol close the socket', async t => {
  const { ready, open } = await start(t, { events: silent })
  for (const [message, code] of [
    ['not json', 4400], ['null', 4400], ['[]', 4400], ['{"type":7}', 4400], [{ type: 'start', id: '1' }, 4400], [{ type: 'subscribe', payload: jobEvents() }, 4400],
    [{ type: 'subscribe', id: '', payload: jobEvents() }, 4400], ['{"type":"subscribe","id":1}', 4400], [{ type: 'connection_init' }, 4429]
  ] as const) {
    const socket = await ready()
    socket.send(message)
    t.match(await socket.closed, { code }, JSON.stringify(message))
  }
  const binary = await ready()
  binary.socket.send(Buffer.from(JSON.stringify({ type: 'ping' })), { binary: true })
  t.match(await binary.closed, { code: 4400 })
  const large = await ready()
  large.send({ type: 'ping', payload: 'x'.repeat(1 << 18) })
  t.match(await large.closed, { code: 1009 })
  const twice = await ready()
  twice.send(subscribe(jobEvents()))
  twice.send(subscribe(jobEvents()))
  t.match(await twice.closed, { code: 4409 })
  await t.rejects(open({ protocol: 'graphql-ws' }), /subprotocol/i)
})

t.test('one socket has so many subscriptions, and one caller so many requests', async t => {
  const many = await start(t, { events: silent })
  const socket = await many.ready()
  for (let id = 0; id < 51; id++) socket.send(subscribe(jobEvents(), `${id}`))
  t.match(await socket.closed, { code: 4429, reason: /at most 50/ })
  const few = await start(t, {}, { requestsPerMinute: 2 })
  const second = await few.ready()
  second.send(subscribe({ query: 'subscription {' }))
  t.match(await second.next(), { payload: [{ extensions: { code: 'EPH_MALFORMED' } }] })
  second.send(subscribe(jobEvents()))
  t.match(await second.next(), { type: 'error', payload: [{ extensions: { code: 'EPH_RATE_LIMITED', status: 429 } }] })
  const third = await few.open()
  third.send({ type: 'connection_init', payload: { authorization: token } })
  t.same(await third.closed, { code: 4429, reason: 'EPH_RATE_LIMITED' })
})

t.test('a stopping service closes the socket, and completes nothing', async t => {
  const { app, ready } = await start(t, { events: silent })
  const socket = await ready()
  socket.send(subscribe(jobEvents()))
  socket.send({ type: 'ping' })
  t.same(await socket.next(), { type: 'pong' })
  const next = socket.next().then(message => { t.fail(`a message: ${message.type}`) })
  await app.close()
  t.match(await Promise.race([socket.closed, next]), { code: 1001 })
})

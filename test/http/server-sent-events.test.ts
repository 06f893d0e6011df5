import { mock } from 'node:test'
import { pino } from 'pino'
import t from 'tap'
import type { JobEvent } from '#core/ports/storage.ts'
import { serverSentEvents } from '../../src/http/server-sent-events.ts'

const request = { id: 'request-1', log: pino({ level: 'silent' }) }

t.test('a comment goes out every 15 s while nothing happens', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => { mock.timers.reset() })
  const event = Promise.withResolvers<IteratorResult<JobEvent>>()
  const stream = serverSentEvents(event.promise, { next: () => new Promise(() => {}) }, request)
  await stream.next()
  for (let times = 0; times < 3; times++) {
    let comment: string | undefined
    const next = stream.next().then(({ value }) => { comment = value })
    mock.timers.tick(14_999)
    await Promise.resolve()
    t.equal(comment, undefined)
    mock.timers.tick(1)
    await next
    t.equal(comment, ': still here\n\n')
  }
  const next = stream.next()
  event.resolve({ done: false, value: { seq: 7, type: 'end', data: {}, at: '' } })
  t.same(await next, { done: false, value: 'id: 7\nevent: end\ndata: {}\n\n' }, 'the event that was waited for is not lost')
  t.ok((await stream.next()).done)
})

t.test('leaving the stream closes the events', async t => {
  const closed = Promise.withResolvers<void>()
  const events = {
    next: () => new Promise<IteratorResult<JobEvent>>(() => {}),
    async return () {
      closed.resolve()
      return { done: true as const, value: undefined }
    }
  }
  const stream = serverSentEvents(Promise.resolve({ done: false, value: { seq: 1, type: 'job', data: {}, at: '' } }), events, request)
  await stream.next()
  await stream.next()
  await stream.return(undefined)
  await closed.promise
  t.pass('closed')
})

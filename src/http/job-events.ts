import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Readable } from 'node:stream'
import { Problem } from '#core/errors.ts'
import { isFinal } from '#core/job.ts'
import { callerOf } from './identify.ts'
import { operation, text } from './operation.ts'
import { readsHeaders } from './request-headers.ts'
import { IdPath, NoQuery, untilGone, type RoutesOptions } from './routes.ts'
import { serverSentEvents } from './server-sent-events.ts'

const schema = operation({
  operationId: 'streamJob',
  tag: 'jobs',
  summary: 'Follow a job as server-sent events',
  description: 'Events `job pod run finding artifact queue output packet end`; more may come. `queue` says where a job that waits stands, and is not kept: ' +
    'its id is that of the event before. `Last-Event-ID` resumes on any replica, without it ' +
    'the stream begins with the first event. A comment every 15 s. Closed after `end`; 204 where nothing follows `Last-Event-ID`. ' +
    'A stream that can go no further says why in a last event `problem`.',
  params: IdPath,
  querystring: NoQuery,
  readsHeaders: readsHeaders('last-event-id'),
  codes: ['EPH_NOT_FOUND'],
  response: {
    200: { description: 'Events until `end`', content: { 'text/event-stream': { schema: text('id, event and data of each event') } } },
    204: { description: 'Nothing follows Last-Event-ID', type: 'null' }
  }
})

function lastEventId (header: string | string[] | undefined): number {
  if (header === undefined || header === '') return 0
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header)
  throw new Problem('EPH_INVALID_REQUEST', 'Cannot resume the events: Last-Event-ID is not the id of one', {
    errors: [{ pointer: '/headers/last-event-id', detail: 'must be the id of an event' }]
  })
}

export const jobEventRoute: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases, closing }) => {
  app.get('/jobs/:id/events', { schema, exposeHeadRoute: false }, async (request, reply) => {
    const caller = callerOf(request)
    const { id } = request.params
    const afterSeq = lastEventId(request.headers['last-event-id'])
    const { state } = await useCases.job(caller, id)
    const found = await useCases.events(caller, id, { afterSeq, signal: untilGone(request, closing) })
    const events = found[Symbol.asyncIterator]()
    const first = events.next()
    first.catch(() => {}) // met by whoever reads the stream
    // All events of a final job exist: whether one follows is known at once, and EventSource stops asking after a 204.
    if (isFinal(state) && (await first).done) return reply.code(204).send()
    const stream = Readable.from(serverSentEvents(first, events, request), { objectMode: false, highWaterMark: 64 * 1024 })
    return reply.headers({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
      .serializer(String).send(stream)
  })
}

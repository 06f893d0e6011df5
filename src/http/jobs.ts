import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { demandSupported } from '#core/demand-supported.ts'
import { JobFilterInput, toJobFilter } from '#core/filters.ts'
import { checkIdempotencyKey } from '#core/idempotency-key.ts'
import { isFinal, Job, JobPod, JobRequest, JobSummary } from '#core/job.ts'
import { Preflight } from '#core/preflight.ts'
import { callerOf } from './identify.ts'
import { launchCodes } from './launch-codes.ts'
import { listRoute } from './list-route.ts'
import { operation } from './operation.ts'
import { preferenceApplied, waitSeconds } from './prefer.ts'
import { readsHeaders } from './request-headers.ts'
import { IdPath, NoQuery, refuseBody, untilGone, type RoutesOptions } from './routes.ts'
import { serializerFor } from './serialize-as.ts'
import { showJob } from './show-job.ts'

const LaunchQuery = Type.Object({
  dryRun: Type.Optional(Type.Boolean({ description: 'true: only preflight; nothing is stored or touched' }))
}, { additionalProperties: false })

const launchSchema = operation({
  operationId: 'launchJob',
  tag: 'jobs',
  summary: 'Launch a diagnostic',
  description: '`Prefer: wait=SECONDS` (at most 55) waits for the end. `Idempotency-Key` makes repeating harmless: the same key and body ' +
    'answer 202 with the same job and `Idempotency-Replayed: true`. With `maxAgeSeconds` the job shares the measurement of an equal one that is ' +
    'under way or that fresh: see `deduplicatedFrom`. `dryRun=true` answers what preflight says of each pod, and what would be shared.',
  querystring: LaunchQuery,
  readsHeaders: readsHeaders('idempotency-key', 'prefer'),
  body: JobRequest,
  codes: launchCodes,
  response: {
    200: {
      description: 'The finished job; with dryRun what would happen in each pod',
      content: { 'application/json': { schema: Type.Union([Job, Preflight]) } }
    },
    202: { description: 'Stored; see Location', content: { 'application/json': { schema: Job } } }
  }
})

const jobAnswer = { description: 'The job', content: { 'application/json': { schema: Job } } }
const endingCodes = ['EPH_NOT_FOUND', 'EPH_CONFLICT'] as const

export const jobRoutes: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases, closing }) => {
  app.post('/jobs', { schema: launchSchema }, async (request, reply) => {
    const caller = callerOf(request)
    const sentKey = request.headers['idempotency-key']
    const key = sentKey === undefined ? null : checkIdempotencyKey([sentKey].flat().join(), '/headers/idempotency-key')
    const seconds = waitSeconds(request)
    demandSupported(request.body)
    reply.type('application/json; charset=utf-8')
    if (request.query.dryRun) {
      return reply.serializer(serializerFor(reply, Preflight)).send(await useCases.preflight(caller, request.body))
    }
    reply.serializer(serializerFor(reply, Job))
    const { job, replayed } = await useCases.submit(caller, request.body, { idempotencyKey: key })
    reply.header('location', `/v1/jobs/${job.id}`)
    if (replayed) reply.header('idempotency-replayed', 'true')
    if (seconds === null) return reply.code(202).send(showJob(job))
    preferenceApplied(reply, seconds)
    const launched = replayed ? undefined : job
    const waited = await useCases.wait(caller, job.id, { seconds, signal: untilGone(request, closing), launched })
    return reply.code(isFinal(waited.state) && !replayed ? 200 : 202).send(showJob(waited))
  })

  listRoute(app, {
    url: '/jobs',
    operationId: 'listJobs',
    tag: 'jobs',
    summary: 'Find jobs',
    item: JobSummary,
    filter: JobFilterInput,
    read: async (caller, filter, page) => useCases.jobs(caller, toJobFilter(filter), page)
  })

  listRoute(app, {
    url: '/jobs/:id/pods',
    operationId: 'listJobPods',
    tag: 'jobs',
    summary: 'All pods of a job',
    item: JobPod,
    filter: NoQuery,
    params: IdPath,
    codes: ['EPH_NOT_FOUND'],
    read: (caller, _filter, page, { id }) => useCases.jobPods(caller, id!, page)
  })

  app.post('/jobs/:id/cancel', {
    preValidation: refuseBody,
    schema: operation({
      operationId: 'cancelJob',
      tag: 'jobs',
      summary: 'Cancel a job',
      description: 'Idempotent: a final job is answered as it is.',
      params: IdPath,
      querystring: NoQuery,
      codes: [...endingCodes],
      response: { 200: jobAnswer }
    })
  }, async request => showJob(await useCases.cancel(callerOf(request), request.params.id)))

  app.post('/jobs/:id/finish', {
    preValidation: refuseBody,
    schema: operation({
      operationId: 'finishJob',
      tag: 'jobs',
      summary: 'End a capture now and judge what it has',
      params: IdPath,
      querystring: NoQuery,
      codes: [...endingCodes],
      response: { 200: jobAnswer }
    })
  }, async request => showJob(await useCases.finish(callerOf(request), request.params.id)))
}

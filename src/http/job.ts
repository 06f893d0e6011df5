import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { isFinal, Job } from '#core/job.ts'
import { versionOf } from '#core/version-of.ts'
import { isKnown, knownTags, weakTag } from './etag.ts'
import { callerOf } from './identify.ts'
import { jobText } from './job-text.ts'
import { negotiate } from './negotiate.ts'
import { operation, text } from './operation.ts'
import { preferenceApplied, waitSeconds } from './prefer.ts'
import { readsHeaders } from './request-headers.ts'
import { IdPath, NoQuery, untilGone, type RoutesOptions } from './routes.ts'
import { showJob } from './show-job.ts'

const schema = operation({
  operationId: 'getJob',
  tag: 'jobs',
  summary: 'Read a job',
  description: '`Prefer: wait=SECONDS` waits for its end, or, with `If-None-Match`, for any change. For people: `Accept: text/plain` or `text/markdown`.',
  params: IdPath,
  querystring: NoQuery,
  readsHeaders: readsHeaders('if-none-match', 'prefer'),
  codes: ['EPH_NOT_FOUND'],
  response: {
    200: {
      description: 'The job',
      content: {
        'application/json': { schema: Job },
        'text/plain': { schema: text('The job in words') },
        'text/markdown': { schema: text('The job in words') }
      }
    },
    304: { description: 'It is still as the caller knows it', type: 'null' }
  }
})

export const jobRoute: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases, closing }) => {
  app.get('/jobs/:id', { schema }, async (request, reply) => {
    const caller = callerOf(request)
    const { id } = request.params
    const seconds = waitSeconds(request)
    const [known] = knownTags(request)
    let job: Job
    if (seconds === null) job = await useCases.job(caller, id)
    else {
      preferenceApplied(reply, seconds)
      const knownVersion = known === undefined ? {} : { knownVersion: known.replaceAll('"', '') }
      job = await useCases.wait(caller, id, { seconds, signal: untilGone(request, closing), ...knownVersion })
    }
    const tag = weakTag(versionOf(job))
    // A final job no longer changes: whoever has it may keep it, but must still ask whether he may see it.
    reply.headers({ etag: tag, 'cache-control': isFinal(job.state) ? 'private, max-age=0, must-revalidate' : 'private, no-cache' })
    const type = negotiate(request, reply, ['application/json', 'text/plain', 'text/markdown'])
    if (isKnown(request, tag)) return reply.code(304).send()
    if (type === 'application/json') return showJob(job)
    return reply.type(`${type}; charset=utf-8`).serializer(String).send(jobText(job, type))
  })
}

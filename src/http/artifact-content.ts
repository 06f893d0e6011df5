import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { notSupported } from '#core/demand-supported.ts'
import { Problem } from '#core/errors.ts'
import type { Artifact } from '#core/run.ts'
import { isKnown } from './etag.ts'
import { callerOf } from './identify.ts'
import { operation, text } from './operation.ts'
import { readRange } from './range.ts'
import { readsHeaders } from './request-headers.ts'
import { IdPath, untilGone, type RoutesOptions } from './routes.ts'

const bytes = { 'application/octet-stream': { schema: text('The bytes; the media type is that of the artifact') } }

const Query = Type.Object({
  follow: Type.Optional(Type.Boolean({ description: 'true: goes on until it is sealed' }))
}, { additionalProperties: false })

const schema = operation({
  operationId: 'readArtifactContent',
  tag: 'artifacts',
  summary: 'Download a stored stream',
  description: 'Exists from the start of its run. `Range` gives a part, `follow=true` goes on while it grows. Takes the right to payloads.',
  params: IdPath,
  querystring: Query,
  readsHeaders: readsHeaders('range', 'if-range', 'if-none-match'),
  codes: ['EPH_NOT_FOUND', 'EPH_ARTIFACT_EXPIRED', 'EPH_RANGE', 'EPH_BUCKET_UNAVAILABLE'],
  response: {
    200: { description: 'The bytes; with Repr-Digest once it is sealed', content: bytes },
    206: { description: 'The range asked for', content: bytes },
    304: { description: 'The caller has these bytes', type: 'null' }
  }
})

/** Never shown in a browser, whatever it holds: it may come from anybody whom the application talked to. */
function describe (reply: FastifyReply, { id, kind, contentType, sha256 }: Artifact): void {
  reply.headers({
    'content-type': /^[\w.+-]+\/[\w.+-]+$/.test(contentType) ? contentType : 'application/octet-stream',
    'content-disposition': `attachment; filename="${id}.${kind.replace(/[^\w-]/g, '')}"`,
    'content-security-policy': "default-src 'none'; sandbox",
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    ...(sha256 !== null && { etag: `"${sha256}"`, 'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:` })
  })
}

export const artifactContentRoute: FastifyPluginAsyncTypebox<RoutesOptions> = async (app, { useCases, closing }) => {
  async function find (request: FastifyRequest, id: string): Promise<Artifact> {
    const artifact = await useCases.artifact(callerOf(request), id)
    if (artifact.state !== 'expired') return artifact
    throw new Problem('EPH_ARTIFACT_EXPIRED', `Cannot send artifact ${id}: it has expired; it had ${artifact.sizeBytes} bytes, sha256 ${artifact.sha256}`)
  }

  // What these headers say, the right to jobs is enough for; no byte is read.
  app.head('/artifacts/:id/content', { schema: { hide: true, params: IdPath, querystring: Query } }, async (request, reply) => {
    const artifact = await find(request, request.params.id)
    describe(reply, artifact)
    if (!request.query.follow) reply.header('content-length', artifact.sizeBytes)
    // Not an empty text: that would be said to have the length 0.
    return reply.serializer(String).send(Readable.from([]))
  })

  app.get('/artifacts/:id/content', { schema, exposeHeadRoute: false }, async (request, reply) => {
    const { id } = request.params
    const { follow = false } = request.query
    if (follow && request.headers.range !== undefined) throw notSupported(['/headers/range'])
    const artifact = await find(request, id)
    const { sizeBytes, sha256 } = artifact
    if (sha256 !== null && isKnown(request, `"${sha256}"`)) return reply.code(304).header('etag', `"${sha256}"`).send()
    // If-Range names the version that a part was taken of: of any other the whole is sent.
    const ifRange = request.headers['if-range']
    const range = ifRange === undefined || ifRange === `"${sha256}"` ? readRange(request.headers.range, sizeBytes) : null
    if (range === 'outside') {
      reply.header('content-range', `bytes */${sizeBytes}`)
      throw new Problem('EPH_RANGE', `Cannot send this range: the artifact has ${sizeBytes} bytes`)
    }
    const { start, end } = range ?? { start: 0, end: follow ? null : sizeBytes }
    const { content } = await useCases.content(callerOf(request), id, { start, end, follow, signal: untilGone(request, closing) })
    describe(reply, artifact)
    if (end !== null) reply.header('content-length', end - start)
    if (range) reply.code(206).header('content-range', `bytes ${start}-${range.end - 1}/${sizeBytes}`)
    return reply.serializer(String).send(Readable.from(content, { objectMode: false }))
  })
}

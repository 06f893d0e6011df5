import type { FastifyInstance } from 'fastify'
import { Type, type Static, type TObject } from 'typebox'
import { pageOf, type PageQuery } from '#core/cursor.ts'
import type { ErrorCode } from '#core/errors.ts'
import { defaultLimit, maxLimit, PageOf, type Page, type PageRequest } from '#core/page.ts'
import type { Principal } from '#core/principal.ts'
import { callerOf } from './identify.ts'
import { negotiate } from './negotiate.ts'
import { operation, text } from './operation.ts'
import { refuseQuery } from './routes.ts'
import { serializerFor } from './serialize-as.ts'

export const limitAndCursor = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: maxLimit, default: defaultLimit, description: 'Items of a page' })),
  cursor: Type.Optional(Type.String({ maxLength: 200, description: 'nextCursor of the page before, with the same filters' }))
}

export interface List<F extends TObject> {
  url: string
  operationId: string
  tag: string
  summary: string
  item: TObject
  filter: F
  /** Filters of the contract that do nothing yet. */
  later?: string[]
  params?: TObject
  codes?: ErrorCode[]
  read (caller: Principal, filter: Static<F>, page: PageRequest, params: Record<string, string>): Promise<Page<object>>
}

/** A keyset-paged list, newest first, as JSON or as one line of JSON per item with the next page in Link. */
export function listRoute<F extends TObject> (app: FastifyInstance, list: List<F>): void {
  const { url, operationId, tag, summary, item, filter, later = [], params, codes = [] } = list
  const schema = operation({
    operationId,
    tag,
    summary,
    description: 'Newest first. `application/x-ndjson` gives one item per line and the next page in the header Link.',
    querystring: Type.Object({ ...filter.properties, ...limitAndCursor }, { additionalProperties: false }),
    ...(params && { params }),
    codes: ['EPH_CURSOR_INVALID', 'EPH_NAMESPACE_REQUIRED', ...codes],
    response: {
      200: {
        description: 'One page',
        content: { 'application/json': { schema: PageOf(item) }, 'application/x-ndjson': { schema: text('One item per line') } }
      }
    }
  })
  app.get(url, { preValidation: refuseQuery(...later), schema }, async (request, reply) => {
    const { limit, cursor, ...filters } = request.query as PageQuery & Static<F>
    const path = request.params as Record<string, string>
    const page = await pageOf(operationId, { ...filters, ...path }, { ...(limit && { limit }), ...(cursor !== undefined && { cursor }) },
      asked => list.read(callerOf(request), filters as Static<F>, asked, path))
    if (negotiate(request, reply, ['application/json', 'application/x-ndjson']) === 'application/json') return page
    const serialize = serializerFor(reply, item)
    if (page.nextCursor !== null) reply.header('link', `<${nextAddress(request.url, page.nextCursor)}>; rel="next"`)
    return reply.type('application/x-ndjson').serializer(String).send(page.items.map(entry => `${serialize(entry)}\n`).join(''))
  })
}

function nextAddress (url: string, cursor: string): string {
  const next = new URL(url, 'http://localhost')
  next.searchParams.set('cursor', cursor)
  return next.pathname + next.search
}

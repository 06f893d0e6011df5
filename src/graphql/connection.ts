import { GraphQLBoolean, GraphQLInt, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLString } from 'graphql'
import { decodeCursor, encodeCursor } from '#core/cursor.ts'
import { Problem } from '#core/errors.ts'
import { defaultLimit, maxLimit, type Page, type PageRequest } from '#core/page.ts'

const PageInfo = new GraphQLObjectType({
  name: 'PageInfo',
  description: 'Where a page ends',
  fields: {
    hasNextPage: { type: new GraphQLNonNull(GraphQLBoolean), description: 'Whether there is more' },
    endCursor: { type: GraphQLString, description: 'Send it as after: for the next page' }
  }
})

export interface PageArguments { first: number, after?: string | null }
export const pageArguments = (defaultFirst: number = defaultLimit) => ({
  first: { type: new GraphQLNonNull(GraphQLInt), defaultValue: defaultFirst, description: `At most ${maxLimit}` },
  after: { type: GraphQLString, description: 'endCursor of the page before, with the same filters' }
})

const connections = new WeakMap<GraphQLObjectType, GraphQLObjectType>()

/** The connection type of a node; one for each, however many lists give it. */
export function connectionOf (node: GraphQLObjectType): GraphQLNonNull<GraphQLObjectType> {
  let connection = connections.get(node)
  if (!connection) {
    const some = new GraphQLNonNull(node)
    const edge = new GraphQLObjectType({
      name: `${node.name}Edge`,
      description: 'An item with its place in the list',
      fields: {
        cursor: { type: new GraphQLNonNull(GraphQLString), description: 'Send it as after: to go on behind this item' },
        node: { type: some, description: 'The item' }
      }
    })
    connection = new GraphQLObjectType({
      name: `${node.name}Connection`,
      description: 'One page of a list',
      fields: {
        nodes: { type: new GraphQLNonNull(new GraphQLList(some)), description: 'The items' },
        edges: { type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(edge))), description: 'The same with a cursor each' },
        pageInfo: { type: new GraphQLNonNull(PageInfo), description: 'Whether and where it goes on' }
      }
    })
    connections.set(node, connection)
  }
  return new GraphQLNonNull(connection)
}

export interface Connection<T> {
  nodes: T[]
  edges: { cursor: string, node: T }[]
  pageInfo: { hasNextPage: boolean, endCursor: string | null }
}

const position = /^\d{1,9}$/

function demandFirst (first: number): void {
  if (first >= 1 && first <= maxLimit) return
  throw new Problem('EPH_INVALID_REQUEST', `Cannot read a page of ${first}: first must be 1 to ${maxLimit}`, {
    errors: [{ pointer: '/first', detail: `must be 1 to ${maxLimit}` }]
  })
}

/** A page of a list; its cursors are those of the same list in REST. */
export async function connect<T extends { id: string }> (
  list: string, filters: unknown, { first, after }: PageArguments, read: (page: PageRequest) => Promise<Page<T>>
): Promise<Connection<T>> {
  demandFirst(first)
  const page = await read({ limit: first, after: after == null ? null : decodeCursor(after, list, filters, { pointer: '/after' }) })
  const edges = page.items.map(node => ({ cursor: encodeCursor(node.id, list, filters), node }))
  return { nodes: page.items, edges, pageInfo: { hasNextPage: page.nextCursor !== null, endCursor: edges.at(-1)?.cursor ?? null } }
}

/** A page of what is in memory anyway; its cursors count. */
export function connectArray<T> (list: string, filters: unknown, items: T[], { first, after }: PageArguments): Connection<T> {
  demandFirst(first)
  const start = after == null ? 0 : Number(decodeCursor(after, list, filters, { format: position, pointer: '/after' }))
  const nodes = items.slice(start, start + first)
  const edges = nodes.map((node, index) => ({ cursor: encodeCursor(`${start + index + 1}`, list, filters), node }))
  return { nodes, edges, pageInfo: { hasNextPage: start + first < items.length, endCursor: edges.at(-1)?.cursor ?? null } }
}

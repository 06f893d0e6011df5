import { Type, type TSchema } from 'typebox'
import { OrNull } from './schema.ts'

export const defaultLimit = 50
export const maxLimit = 200

/** A keyset page, newest first: `after` is the id of the last item that was seen. */
export interface PageRequest { limit: number, after: string | null }
export interface Page<T> { items: T[], nextCursor: string | null }

export const PageOf = <T extends TSchema>(item: T) => Type.Object({
  items: Type.Array(item, { description: 'Newest first' }),
  nextCursor: OrNull(Type.String({ description: 'Send it as cursor= for the next page; null at the end' }))
})

/** Cuts what was read with `limit + 1` down to a page. */
export function toPage<T extends { id: string }> (rows: T[], limit: number): Page<T> {
  const items = rows.slice(0, limit)
  return { items, nextCursor: rows.length > limit ? items[items.length - 1]!.id : null }
}

import { createHash } from 'node:crypto'
import { Problem } from './errors.ts'
import { defaultLimit, type Page, type PageRequest } from './page.ts'
import { uuid } from './schema.ts'

const idFormat = new RegExp(uuid)

/** JSON with keys in order, so that equal filters are equal however they were written. */
const canonical = (value: unknown): string => JSON.stringify(value, (_key, part: unknown) =>
  part && typeof part === 'object' && !Array.isArray(part)
    ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
    : part)

/** A cursor belongs to one list and its filters: with others it would skip or repeat items unseen. */
const bindingOf = (list: string, filters: unknown) => createHash('sha256').update(`${list} ${canonical(filters)}`).digest('base64url').slice(0, 12)

export function encodeCursor (id: string, list: string, filters: unknown): string {
  return Buffer.from(`${id}.${bindingOf(list, filters)}`).toString('base64url')
}

/** What a cursor stands on; EPH_CURSOR_INVALID where it was made for another list or other filters, or never by us. */
export function decodeCursor (cursor: string, list: string, filters: unknown, { format = idFormat, pointer = '/query/cursor' } = {}): string {
  const [id = '', binding = ''] = Buffer.from(cursor, 'base64url').toString().split('.')
  if (format.test(id) && binding === bindingOf(list, filters)) return id
  throw new Problem('EPH_CURSOR_INVALID', 'Cannot go on with this cursor: it belongs to another list or other filters', {
    errors: [{ pointer, detail: 'was made with other filters' }]
  })
}

export interface PageQuery { limit?: number, cursor?: string }

/** Reads one page of a list; cursors go in and come out as callers see them. */
export async function pageOf<T> (
  list: string, filters: unknown, { limit = defaultLimit, cursor }: PageQuery, read: (page: PageRequest) => Promise<Page<T>>
): Promise<Page<T>> {
  const { items, nextCursor } = await read({ limit, after: cursor === undefined ? null : decodeCursor(cursor, list, filters) })
  return { items, nextCursor: nextCursor === null ? null : encodeCursor(nextCursor, list, filters) }
}

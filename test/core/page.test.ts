import t from 'tap'
import { decodeCursor, encodeCursor, pageOf } from '#core/cursor.ts'
import { toPage } from '#core/page.ts'

const id = (index: number) => `0199c0de-0000-7000-8000-${String(index).padStart(12, '0')}`
const rows = (count: number) => Array.from({ length: count }, (_, index) => ({ id: id(index) }))

t.test('a page has a cursor exactly when there is more', t => {
  t.same(toPage([], 2), { items: [], nextCursor: null })
  t.same(toPage(rows(2), 2), { items: rows(2), nextCursor: null })
  t.same(toPage(rows(3), 2), { items: rows(2), nextCursor: id(1) })
  t.end()
})

t.test('a cursor comes back as the id it was made of, for equal filters in any order', t => {
  const cursor = encodeCursor(id(7), 'jobs', { a: 1, b: [2] })
  t.equal(decodeCursor(cursor, 'jobs', { b: [2], a: 1 }), id(7))
  t.match(cursor, /^[A-Za-z0-9_-]+$/)
  t.end()
})

t.test('a cursor of another list or of other filters, or never made here, is refused', t => {
  const cursor = encodeCursor(id(7), 'jobs', { a: 1 })
  for (const [text, list, filters] of [[cursor, 'runs', { a: 1 }], [cursor, 'jobs', { a: 2 }], ['', 'jobs', {}], ['!!', 'jobs', {}], [`${cursor}A`, 'jobs', { a: 1 }]] as const) {
    t.throws(() => decodeCursor(text, list, filters), { code: 'EPH_CURSOR_INVALID', status: 400 }, text)
  }
  t.end()
})

t.test('pages follow each other without gap or repetition', async t => {
  const all = rows(7)
  const read = async ({ limit, after }: { limit: number, after: string | null }) =>
    toPage(all.slice(after === null ? 0 : all.findIndex(row => row.id === after) + 1).slice(0, limit + 1), limit)
  const seen = []
  let cursor: string | undefined
  do {
    const page: { items: { id: string }[], nextCursor: string | null } = await pageOf('jobs', {}, { limit: 3, ...cursor !== undefined && { cursor } }, read)
    seen.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  t.same(seen, all)
})

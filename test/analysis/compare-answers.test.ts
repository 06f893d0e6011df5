import t from 'tap'
import { differingAnswers } from '#analysis/compare-answers.ts'
import type { DnsQuery } from '#analysis/dns-query.ts'
import { nameless } from '#core/address.ts'

const first = { ip: '10.96.0.10', port: 53, ...nameless }
const second = { ip: '192.0.2.53', port: 53, ...nameless }

/** What a server said to one question. */
function said (asked: typeof first | null, data: string[], { type = 'A', status = 'NOERROR' as string | null, ttlSeconds = 5 }: {
  type?: DnsQuery['type'], status?: string | null, ttlSeconds?: number
} = {}) {
  const answers = data.map(data => ({ name: 'web.', type, ttlSeconds, data }))
  return { name: 'web', type, question: 'web.', status, answers, server: asked, transport: null, queryMs: null, tried: [], lost: [], truncated: false, line: 1, asked }
}

t.test('order and TTL mean nothing', t => {
  t.same(differingAnswers([said(first, ['1', '2']), said(second, ['2', '1'], { ttlSeconds: 4 })]), [])
  t.same(differingAnswers([said(null, ['1'])]), [])
  t.end()
})

t.test('other records, or none against some, are a difference', t => {
  t.same(differingAnswers([said(null, ['2', '1']), said(second, ['3'])]), [{ asked: null, answers: ['1', '2'] }, { asked: second, answers: ['3'] }])
  t.match(differingAnswers([said(first, ['1']), said(second, [], { status: 'NXDOMAIN' })]), [{}, { answers: [] }])
  t.end()
})

t.test('no such name and no such record are both nothing', t => {
  t.same(differingAnswers([said(first, []), said(second, [], { status: 'NXDOMAIN' })]), [])
  t.end()
})

t.test('a server that failed is not compared', t => {
  for (const status of [null, 'SERVFAIL', 'REFUSED']) t.same(differingAnswers([said(first, ['1']), said(second, [], { status })]), [])
  t.end()
})

t.test('a server that gives a part at a time is compared by all of its samples', t => {
  t.same(differingAnswers([said(first, ['1']), said(second, ['2']), said(first, ['2']), said(second, ['1'])]), [])
  t.end()
})

t.test('names are compared in lower case, texts as they are; aliases are no records of the type', t => {
  const alias = { name: 'web.', type: 'CNAME', ttlSeconds: 5, data: 'other.' }
  const aliased = said(second, ['1'])
  t.same(differingAnswers([said(first, ['Web.'], { type: 'NS' }), said(second, ['web.'], { type: 'NS' })]), [])
  t.same(differingAnswers([said(first, ['1']), { ...aliased, answers: [alias, ...aliased.answers] }]), [])
  t.equal(differingAnswers([said(first, ['"A"'], { type: 'TXT' }), said(second, ['"a"'], { type: 'TXT' })]).length, 2)
  t.end()
})

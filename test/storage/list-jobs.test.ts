import t from 'tap'
import { Value } from 'typebox/value'
import { JobSummary } from '#core/job.ts'
import type { Page } from '#core/page.ts'
import type { JobDraft, JobFilter, PodResult } from '#core/ports/storage.ts'
import { claimedJob } from '../support/claimed-run.ts'
import { draftJob, draftPod, failed, findingOf, measured, principalOf } from '../support/job-drafts.ts'
import { startPostgres } from '../support/postgres.ts'

const { openDatabase } = await startPostgres(t)
const limits = { caller: 10_000, namespace: 10_000, node: 10_000 }
const { jobs } = await openDatabase(t, { limits })

/** Jobs by the name that the tests give them; with results, they are final. */
const named = new Map<string, string>()
async function add (name: string, draft: JobDraft, ...results: PodResult[]): Promise<void> {
  await jobs.create(draft)
  named.set(draft.id, name)
  if (results.length === 0) return
  const claims = (await jobs.claim('w', 100)).filter(({ jobId }) => jobId === draft.id).sort((a, b) => a.jobPodId < b.jobPodId ? -1 : 1)
  for (const [nth, claim] of claims.entries()) await jobs.finish(claim, results[nth]!)
}

const web = { kind: 'Deployment', name: 'web' }
await add('pass', draftJob({
  pods: [draftPod({ name: 'web-1', node: 'n-1', owner: web })],
  target: { namespace: 'shop', workload: { kind: 'Deployment', name: 'web' } },
  labels: { alert: 'Errors', team: 'shop' }
}), measured())
await add('fail', draftJob({
  username: 'bob',
  pods: [draftPod({ name: 'web-1', node: 'n-2', owner: web }), draftPod({ name: 'db-1', node: 'n-1', owner: { kind: 'StatefulSet', name: 'db' } })],
  target: { namespace: 'shop', service: 'web' },
  reason: 'INC-4711 Checkout is 100% down',
  labels: { alert: 'Latency' }
}), measured(findingOf('DNS_NXDOMAIN', 'error', 'web-1', { message: 'No such name: Orders' })), measured(findingOf('DNS_SLOW', 'warning', 'db-1')))
await add('failed', draftJob({
  principal: principalOf('bob', 'portal'),
  diagnostic: 'packet-capture',
  pods: [draftPod({ namespace: 'other', name: 'db-1', node: null })],
  labels: { team: '' }
}), failed)
await add('queued', draftJob({ target: { namespace: 'shop', labelSelector: 'app in (web)' }, reason: 'a_b\\c' }))
const all = ['queued', 'failed', 'fail', 'pass']

const find = async (filter: Partial<JobFilter>) =>
  (await jobs.list({ namespaces: null, ...filter }, { limit: 100, after: null })).items.map(({ id }) => named.get(id))

t.test('list answers summaries, newest first', async t => {
  const { items, nextCursor } = await jobs.list({ namespaces: null }, { limit: 100, after: null })
  t.equal(nextCursor, null)
  t.strictSame(items.map(({ id }) => named.get(id)), all)
  for (const item of items) t.strictSame([...Value.Errors(JobSummary, item)], [])
  for (const item of items) {
    const { pods, ...job } = (await jobs.find(item.id))!
    t.strictSame(item, job, 'as the job itself, without its pods')
  }
  t.match(items[2]?.podCounts, { matched: 2, selected: 2, pass: 0, warn: 1, fail: 1, inconclusive: 0, notMeasured: 0 })
})

t.test('list answers at most 10 findings', async t => {
  const other = await openDatabase(t)
  const claim = await claimedJob(other)
  await other.jobs.finish(claim, measured(...Array.from({ length: 15 }, (_, nth) => findingOf(`F_${nth}`, 'info'))))
  const { items: [item] } = await other.jobs.list({ namespaces: null }, { limit: 1, after: null })
  t.equal(item?.findings.length, 10)
  t.equal((await other.jobs.find(claim.jobId))?.findings.length, 15)
})

const cases: [Partial<JobFilter>, string[]][] = [
  [{}, all],
  [{ namespaces: ['other', 'none'] }, ['failed']],
  [{ namespaces: [] }, []],
  [{ diagnostic: ['packet-capture', 'ping'] }, ['failed']],
  [{ state: ['queued', 'failed'] }, ['queued', 'failed']],
  [{ state: ['no such state'] }, []],
  [{ verdict: ['pass', 'fail'] }, ['fail', 'pass']],
  [{ requestedBy: ['bob'] }, ['failed', 'fail']],
  [{ actor: ['portal'] }, ['failed']],
  [{ pod: ['web-1'] }, ['fail', 'pass']],
  [{ pod: ['db-1'], node: ['n-1'] }, ['fail']],
  [{ pod: ['web-1'], node: ['n-1'] }, ['pass']],
  [{ pod: ['db-1', 'web-1'], node: ['n-2', 'n-1'] }, ['fail', 'pass']],
  [{ podUid: ['no such uid'] }, []],
  [{ node: [''] }, ['failed']],
  [{ workload: [web] }, ['fail', 'pass']],
  [{ workload: [{ kind: 'StatefulSet', name: 'web' }, { kind: 'StatefulSet', name: 'db' }] }, ['fail']],
  [{ workload: [web], node: ['n-1'] }, ['pass']],
  [{ service: ['web', 'none'] }, ['fail']],
  [{ finding: ['DNS_SLOW', 'NONE'] }, ['fail']],
  [{ finding: ['DNS_SLOW'], verdict: ['pass'] }, []],
  [{ labels: [{ key: 'alert', operator: 'in', values: ['Errors', 'Latency'] }] }, ['fail', 'pass']],
  [{ labels: [{ key: 'alert', operator: 'in', values: ['errors'] }] }, []],
  [{ labels: [{ key: 'alert', operator: 'notIn', values: ['Errors'] }] }, ['queued', 'failed', 'fail']],
  [{ labels: [{ key: 'team', operator: 'exists', values: [] }] }, ['failed', 'pass']],
  [{ labels: [{ key: 'team', operator: 'notExists', values: [] }] }, ['queued', 'fail']],
  [{ labels: [{ key: 'team', operator: 'in', values: [''] }] }, ['failed']],
  [{ labels: [{ key: 'team', operator: 'exists', values: [] }, { key: 'alert', operator: 'notExists', values: [] }] }, ['failed']],
  [{ labels: [{ key: 'tea', operator: 'exists', values: [] }] }, []],
  [{ q: 'inc-4711 CHECKOUT' }, ['fail']],
  [{ q: 'checkout none' }, []],
  [{ q: 'dns_nxdomain' }, ['fail']],
  [{ q: 'no such orders' }, ['fail']],
  [{ q: 'web-1' }, ['fail', 'pass']],
  [{ q: 'app in (web)' }, ['queued']],
  [{ q: '100%' }, ['fail']],
  [{ q: '1%0' }, []],
  [{ q: 'a_b\\c' }, ['queued']],
  [{ q: 'axb' }, []],
  [{ q: '  ' }, all],
  [{ q: 'a\u0000' }, []],
  [{ pod: ['\ud800'], service: ['\u0000'], workload: [{ kind: '\u0000', name: '\u0000' }] }, []],
  [{ requestedBy: ['bob'], namespaces: ['shop'], verdict: ['fail'], q: 'down' }, ['fail']]
]
t.test('list finds by each filter: repeated values are alternatives, different filters must all hold', async t => {
  for (const [filter, names] of cases) t.strictSame(await find(filter), names, JSON.stringify(filter))
  const [passed] = [...named].find(([, name]) => name === 'pass')!
  const { podUid } = (await jobs.find(passed))!.pods.items[0]!
  t.strictSame(await find({ podUid: [podUid, 'other'] }), ['pass'])
})

t.test('list finds by time: from the first on, before the second', async t => {
  const times = (await jobs.list({ namespaces: null }, { limit: 100, after: null })).items.map(({ createdAt }) => createdAt)
  t.strictSame(await find({ createdAfter: times[2]! }), all.slice(0, 3))
  t.strictSame(await find({ createdBefore: times[2]! }), all.slice(3))
  t.strictSame(await find({ createdAfter: times[2]!, createdBefore: times[1]! }), ['fail'])
  const inKathmandu = `${new Date(Date.parse(times[2]!) + (5 * 60 + 45) * 60_000).toISOString().slice(0, -1)}+05:45`
  t.strictSame(await find({ createdAfter: inKathmandu }), all.slice(0, 3))
  t.strictSame(await find({ createdAfter: '1969-01-01T00:00:00Z' }), all)
  t.strictSame(await find({ createdBefore: '1969-01-01T00:00:00Z' }), [])
  t.strictSame(await find({ createdAfter: '9999-12-31T23:59:59Z' }), [])
})

t.test('list refuses a cursor that names no item', async t => {
  for (const after of ['x', '', 'f47ac10b-58cc-4372-a567']) await t.rejects(jobs.list({ namespaces: null }, { limit: 5, after }), { code: 'EPH_CURSOR_INVALID' })
})

t.test('pages through 1,000 jobs miss and repeat none while new ones come', async t => {
  const { jobs } = await openDatabase(t)
  const add = async (count: number) => Promise.all(Array.from({ length: count }, async () => (await jobs.create(draftJob())).job.id))
  const before = await add(1000)
  const seen: string[] = []
  for (let after: string | null = null; ;) {
    const [page]: [Page<JobSummary>, string[]] = await Promise.all([jobs.list({ namespaces: ['shop'], state: ['queued'] }, { limit: 150, after }), add(3)])
    seen.push(...page.items.map(({ id }) => id))
    after = page.nextCursor
    if (after === null) break
    t.equal(page.items.length, 150)
  }
  t.strictSame(seen, [...seen].sort().reverse())
  t.strictSame(seen.filter(id => before.includes(id)), before.sort().reverse())
  t.ok(seen.length <= 1003, 'what came after the first page is not in the later ones')
})

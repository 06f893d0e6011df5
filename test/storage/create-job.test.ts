import t from 'tap'
import { Value } from 'typebox/value'
import { Job } from '#core/job.ts'
import type { JobDraft } from '#core/ports/storage.ts'
import { draftJob, draftPod, measured, principalOf, refusal } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'

const { emptyDatabase, openDatabase } = await startPostgres(t)
const database = await openDatabase(t)
const { jobs } = database
const db = await connect(t, database.url)

const rowsOf = async (text: string, ...values: unknown[]) => (await db.query(text, values)).rows
const countOf = async (table: string, where: string, ...values: unknown[]) =>
  (await rowsOf(`SELECT count(*)::integer AS n FROM ${table} WHERE ${where}`, ...values))[0].n

/** How many rows of each table a job has. */
const traces = async ({ id, idempotency }: JobDraft) => ({
  job: await countOf('job', 'id = $1', id),
  pods: await countOf('job_pod', 'job_id = $1', id),
  events: await countOf('job_event', 'job_id = $1', id),
  audit: await countOf('audit_event', 'object = $1', `job ${id}`),
  outbox: await countOf('outbox', 'job_id = $1', id),
  keys: await countOf('idempotency_key', 'key = $1', idempotency?.key)
})

t.test('create stores job, pods, events, audit event, wake-up and key, and answers the job', async t => {
  const pods = [draftPod({ name: 'web-1', owner: { kind: 'Deployment', name: 'web' }, labels: { app: 'web' }, restarts: 2 }), draftPod({ name: 'web-2', node: null })]
  const draft = draftJob({
    pods, matched: 5, rule: 'ready ones first', labels: { alert: 'CheckoutErrors' }, reason: 'INC-4711', idempotency: { key: 'k-1', requestHash: 'h' }
  })
  const { job, replayed } = await jobs.create(draft)
  t.equal(replayed, false)
  t.strictSame(await traces(draft), { job: 1, pods: 2, events: 3, audit: 1, outbox: 1, keys: 1 })
  t.strictSame([...Value.Errors(Job, job)], [], 'the job fits its schema')
  t.match(job, {
    id: draft.id,
    cluster: 'local',
    state: 'queued',
    verdict: null,
    error: null,
    startedAt: null,
    labels: { alert: 'CheckoutErrors' },
    podCounts: { matched: 5, selected: 2, notMeasured: 2 },
    pods: { nextCursor: null, items: [{ pod: 'web-1', owner: { kind: 'Deployment', name: 'web' }, state: 'queued', runs: [] }, { pod: 'web-2', node: null, owner: null }] }
  })
  t.strictSame(job.pods.items[0]!.snapshot, { podLabels: { app: 'web' }, podIPs: ['10.244.0.6'], images: [], restarts: 2, zone: null, revision: null })
  t.notOk('extra' in job.requestedBy, 'what reviews need is not shown')
  t.strictSame(await jobs.find(draft.id), job)
  t.match(await jobs.events(draft.id, 0, 10), [
    { seq: 1, type: 'job', data: { state: 'queued' } }, { seq: 2, type: 'pod', data: { pod: 'web-1', state: 'queued', attempt: 0 } }, { seq: 3, type: 'pod' }])
})

t.test('create stores nothing at all when a part of it fails', async t => {
  const draft = draftJob({ idempotency: { key: 'k-2', requestHash: 'h' } })
  // The compiler would not let this through; the last but one row is refused by a CHECK.
  const broken = { ...draft, audit: { ...draft.audit, outcome: 'maybe' as 'allowed' } }
  await t.rejects(jobs.create(broken), { code: '23514' })
  t.strictSame(await traces(draft), { job: 0, pods: 0, events: 0, audit: 0, outbox: 0, keys: 0 })
  t.equal((await jobs.create(draft)).replayed, false, 'the key is still free')
})

t.test('create makes one job of 50 requests with the same key that come together', async t => {
  const other = await openDatabase(t, { url: database.url })
  const drafts = Array.from({ length: 50 }, () => draftJob({ idempotency: { key: 'k-3', requestHash: 'h' } }))
  const accepted = await Promise.all(drafts.map((draft, nth) => (nth % 2 ? jobs : other.jobs).create(draft)))
  t.equal(new Set(accepted.map(({ job }) => job.id)).size, 1)
  t.equal(accepted.filter(({ replayed }) => !replayed).length, 1)
  t.equal(await countOf('job', 'id = ANY ($1)', drafts.map(({ id }) => id)), 1)
  t.equal(await countOf('audit_event', 'object = ANY ($1)', drafts.map(({ id }) => `job ${id}`)), 1)
})

t.test('create and replay answer the job of a key as it is now, to its owner only', async t => {
  const draft = draftJob({ idempotency: { key: 'k-4', requestHash: 'h' } })
  const { job } = await jobs.create(draft)
  await jobs.cancel(job.id)
  t.match(await jobs.create(draftJob({ idempotency: draft.idempotency })), { replayed: true, job: { id: job.id, state: 'cancelled' } })
  t.match(await jobs.replay(draft.principal, 'k-4', 'h'), { id: job.id, state: 'cancelled' })
  t.equal(await jobs.replay(draft.principal, 'k-5', 'h'), null)
  for (const principal of [principalOf('bob'), principalOf('ada', 'portal')]) {
    t.equal(await jobs.replay(principal, 'k-4', 'other'), null)
    t.equal((await jobs.create(draftJob({ principal, idempotency: { key: 'k-4', requestHash: 'other' } }))).replayed, false)
  }
})

t.test('create and replay refuse a key that was used for another request', async t => {
  const draft = draftJob({ idempotency: { key: 'k-6', requestHash: 'h' } })
  await jobs.create(draft)
  const other = draftJob({ idempotency: { key: 'k-6', requestHash: 'another' } })
  const mismatch = { code: 'EPH_IDEMPOTENCY_MISMATCH', message: /"k-6" was used for another request/ }
  await t.rejects(jobs.create(other), mismatch)
  await t.rejects(jobs.replay(draft.principal, 'k-6', 'another'), mismatch)
  t.match(await traces(other), { job: 0, events: 0, audit: 0 })
})

t.test('create ends a job at once of which every pod is refused', async t => {
  const draft = draftJob({ pods: [draftPod({ name: 'web-1' }, refusal), draftPod({ name: 'web-2' }, refusal)] })
  const { job } = await jobs.create(draft)
  t.match(job, { state: 'failed', verdict: null, error: { code: 'EPH_POD_NOT_RUNNING' }, startedAt: null, finishedAt: String, podCounts: { notMeasured: 2 } })
  t.strictSame(job.pods.items.map(({ state, error }) => [state, error]), [['failed', refusal], ['failed', refusal]])
  t.strictSame((await jobs.events(draft.id, 0, 10)).map(({ type }) => type), ['pod', 'pod', 'job', 'end'])
  t.equal((await traces(draft)).outbox, 0)
})

t.test('create queues a job of which some pods are refused', async t => {
  const draft = draftJob({ username: 'eve', pods: [draftPod({ name: 'web-1' }, refusal), draftPod({ name: 'web-2' })] })
  const { job } = await jobs.create(draft)
  t.match(job, { state: 'queued', startedAt: null, finishedAt: null, pods: { items: [{ state: 'failed', error: refusal }, { state: 'queued', error: null }] } })
  t.match(await jobs.events(draft.id, 0, 10), [{ data: { state: 'queued' } }, { data: { state: 'failed', error: refusal } }, { data: { state: 'queued' } }])
  const claims = await jobs.claim('w', 100)
  t.strictSame(claims.filter(({ jobId }) => jobId === draft.id).map(({ pod }) => pod), ['web-2'])
})

t.test('create keeps long and odd texts, and shows where it could not', async t => {
  const odd = 'a\u0000b \ud83d\ude00 \ud83d half \udc00 \\u0000 % _ \' " $1 \u202e \u2028'
  const clean = 'a\ufffdb \ud83d\ude00 \ufffd half \ufffd \\u0000 % _ \' " $1 \u202e \u2028'
  const draft = draftJob({
    reason: odd,
    params: { names: [odd, 'x'.repeat(300_000)], [odd]: { deep: [odd] }, ['__proto__']: 1, number: 2 ** 53 - 1, none: null },
    labels: { empty: '' },
    principal: principalOf(odd),
    pods: [draftPod({ labels: { app: odd } })]
  })
  const { job } = await jobs.create(draft)
  t.equal(job.reason, clean)
  t.strictSame(job.params, { names: [clean, 'x'.repeat(300_000)], [clean]: { deep: [clean] }, ['__proto__']: 1, number: 2 ** 53 - 1, none: null })
  t.equal(job.requestedBy.username, clean)
  t.equal(job.pods.items[0]?.snapshot.podLabels.app, clean)
  t.strictSame(await jobs.find(draft.id), job)
  await jobs.appendEvent(draft.id, 'packet', { text: odd })
  t.strictSame((await jobs.events(draft.id, 2, 10)).map(({ data }) => data), [{ text: clean }])
})

t.test('a job has 20 pods inline and all of them by pages, in the order in which they were chosen', async t => {
  const draft = draftJob({ pods: Array.from({ length: 45 }, (_, nth) => draftPod({ name: `web-${nth}` })) })
  const { job } = await jobs.create(draft)
  t.strictSame(job.pods.items.map(({ pod }) => pod), draft.pods.slice(0, 20).map(({ pod }) => pod.name))
  t.equal(job.pods.nextCursor, draft.pods[19]?.id)
  const rest = await jobs.pods(draft.id, { limit: 20, after: job.pods.nextCursor })
  const last = await jobs.pods(draft.id, { limit: 20, after: rest.nextCursor })
  t.equal(last.nextCursor, null)
  t.strictSame([...rest.items, ...last.items].map(({ id }) => id), draft.pods.slice(20).map(({ id }) => id))
})

t.test('what is not there is null or empty, whatever its id looks like', async t => {
  const unknown = draftJob().id
  for (const id of [unknown, 'x', '', '\u0000', `${unknown}'`, unknown.toUpperCase()]) {
    t.strictSame([await jobs.find(id), await jobs.cancel(id), await jobs.askFinish(id)], [null, null, null])
    t.strictSame([await jobs.events(id, 0, 10), (await jobs.pods(id, { limit: 5, after: null })).items], [[], []])
  }
  await t.rejects(jobs.pods(unknown, { limit: 5, after: 'x' }), { code: 'EPH_CURSOR_INVALID' })
})

t.test('times are those of the database, whatever the zones of the process, the server and the role are', async t => {
  const url = await emptyDatabase()
  const db = await connect(t, url)
  await db.query('ALTER DATABASE ' + new URL(url).pathname.slice(1) + ' SET timezone = \'Asia/Kathmandu\'')
  const { jobs } = await openDatabase(t, { url })
  const { job: { id, createdAt } } = await jobs.create(draftJob())
  const { rows: [{ ms }] } = await db.query('SELECT extract(epoch FROM created_at) * 1000 AS ms FROM job WHERE id = $1', [id])
  t.equal(Date.parse(createdAt), Number(ms))
  t.match(await jobs.list({ namespaces: null }, { limit: 1, after: null }), { items: [{ id, createdAt }] })
  await t.rejects(openDatabase(t, { url: `${url}&application_name=pooler`, directUrl: url }), { message: /its role has the time zone "Asia\/Kathmandu"/ })
})

t.test('create refuses what goes beyond the pods that may wait for one caller, however many come at once', async t => {
  const limits = { queued: 5 }
  const first = await openDatabase(t, { limits })
  const second = await openDatabase(t, { limits, url: first.url })
  const create = (nth: number, draft = draftJob()) => (nth % 2 ? first : second).jobs.create(draft)
  const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, nth) => create(nth)))
  t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 5)
  t.match(answers.find(({ status }) => status === 'rejected'), {
    reason: { code: 'EPH_QUOTA', status: 429, retryAfterSeconds: Number, quota: { name: 'queued', limit: 5 }, message: /5 pods may wait for one caller/ }
  })
  t.equal(await first.jobs.countQueued('ada'), 5)
  await create(0, draftJob({ username: 'bob' }))

  const [claim] = await first.jobs.claim('w', 1)
  const two = draftJob({ pods: [draftPod(), draftPod()], idempotency: { key: 'k', requestHash: 'h' } })
  await t.rejects(create(0, two), { code: 'EPH_QUOTA' }, 'one place is free, not two')
  const rows = await (await connect(t, first.url)).query('SELECT FROM job WHERE id = $1 UNION ALL SELECT FROM idempotency_key', [two.id])
  t.equal(rows.rowCount, 0)
  t.match(await create(0, draftJob({ idempotency: two.idempotency })), { replayed: false }, 'the key is still free')
  await t.rejects(create(1), { code: 'EPH_QUOTA' })
  t.match(await create(1, draftJob({ idempotency: two.idempotency })), { replayed: true }, 'a replay is never refused')
  await first.jobs.finish(claim!, measured())
})

t.test('create lets nobody pass the limit where launches begin to go one after another', async t => {
  const { jobs } = await openDatabase(t, { limits: { queued: 1003 } })
  const many = () => Array.from({ length: 50 }, () => draftPod())
  for (let nth = 0; nth < 20; nth++) await jobs.create(draftJob({ pods: many() }))
  const answers = await Promise.allSettled(Array.from({ length: 10 }, () => jobs.create(draftJob())))
  t.equal(answers.filter(({ status }) => status === 'fulfilled').length, 3)
})

t.test('create reads a few rows of a long queue', async t => {
  const { jobs, url } = await openDatabase(t, { limits: { queued: 100_000 } })
  const db = await connect(t, url)
  for (let nth = 0; nth < 40; nth++) await jobs.create(draftJob({ username: `u-${nth % 2}`, pods: Array.from({ length: 50 }, () => draftPod()) }))
  await db.query('VACUUM ANALYZE job_pod')
  const { rows } = await db.query<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, BUFFERS) SELECT count(*) FROM (
    SELECT FROM job_pod q WHERE q.state = 'queued' AND q.source_pod_id IS NULL AND q.requested_by = 'u-1' LIMIT 2000) w`)
  const plan = rows.map(row => row['QUERY PLAN']).join('\n')
  t.match(plan, /Index Only Scan using job_pod_queued/)
  t.match(plan, /Heap Fetches: 0/)
})

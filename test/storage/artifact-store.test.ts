import t from 'tap'
import { Value } from 'typebox/value'
import { v7 as uuidv7 } from 'uuid'
import { Artifact } from '#core/run.ts'
import { claimedJob, startedRun } from '../support/claimed-run.ts'
import { connect, startPostgres } from '../support/postgres.ts'

const { openDatabase } = await startPostgres(t)
const database = await openDatabase(t)
const { jobs, runs, artifacts } = database
const claim = await claimedJob(database)
const complete = { state: 'complete' as const, reason: null }
const segment = (offset: number, sizeBytes: number) => ({ key: `a/${offset}`, offset, sizeBytes, sha256: `sha of ${offset}` })

async function create () {
  const run = await startedRun(database, claim, { diagnostic: 'packet-capture' })
  const draft = { id: uuidv7(), runId: run.id, jobId: claim.jobId, kind: 'pcap', contentType: 'application/vnd.tcpdump.pcap' }
  await artifacts.create(draft)
  return draft
}
const eventsOf = async (id: string) =>
  (await jobs.events(claim.jobId, 0, 1000)).filter(({ data }) => data.artifactId === id).map(({ data }) => data)

t.test('an artifact exists from its begin, grows by segments, and is sealed once', async t => {
  const { id, runId } = await create()
  const growing = await artifacts.find(id)
  t.strictSame([...Value.Errors(Artifact, growing)], [])
  t.match(growing, { runId, jobId: claim.jobId, namespace: 'shop', pod: 'web', podUid: claim.podUid, kind: 'pcap', state: 'growing', sizeBytes: 0, sha256: null, sealedAt: null })
  await artifacts.addSegment(id, segment(0, 100))
  await artifacts.addSegment(id, segment(100, 50))
  t.match(await artifacts.find(id), { state: 'growing', sizeBytes: 150 })
  t.match((await runs.find(runId))?.artifacts, [{ id, sizeBytes: 150, sha256: null }])

  await artifacts.seal(id, 150, 'whole', complete)
  await artifacts.seal(id, 99, 'other', { state: 'truncated', reason: 'killed' })
  const sealed = await artifacts.find(id)
  t.strictSame([...Value.Errors(Artifact, sealed)], [])
  t.match(sealed, { state: 'sealed', sizeBytes: 150, sha256: 'whole', completeness: complete, sealedAt: String })
  await t.rejects(artifacts.addSegment(id, segment(150, 1)), { code: 'EPH_CONFLICT' })
  t.equal((await artifacts.segments(id, 0)).length, 2)
  t.match(await eventsOf(id), [
    { phase: 'growing', runId, kind: 'pcap' }, { phase: 'sealed', runId, kind: 'pcap', sizeBytes: 150, sha256: 'whole', completeness: complete }])
})

t.test('create and addSegment can be repeated', async t => {
  const draft = await create()
  await artifacts.create(draft)
  for (let times = 0; times < 2; times++) await artifacts.addSegment(draft.id, segment(0, 100))
  t.match(await artifacts.find(draft.id), { sizeBytes: 100 })
  t.strictSame(await artifacts.segments(draft.id, 0), [segment(0, 100)])
  t.equal((await eventsOf(draft.id)).length, 1)
})

t.test('what was announced and got no row is found once nobody puts it any more', async t => {
  const { id } = await create()
  for (const offset of [0, 100, 100, 200]) await artifacts.announce(id, `a/${offset}`)
  await artifacts.addSegment(id, segment(0, 100))
  const ours = async () => (await artifacts.strays(1000)).filter(({ artifactId }) => artifactId === id).map(({ key }) => key)
  t.same(await ours(), [], 'it may still grow')
  await artifacts.seal(id, 100, 'whole', { state: 'truncated', reason: 'disconnected' })
  t.same(await ours(), [], 'somebody may not have heard of it yet')
  await t.rejects(artifacts.announce(id, 'a/300'), { code: 'EPH_CONFLICT' })
  const db = await connect(t, database.url)
  await db.query("UPDATE artifact SET sealed_at = sealed_at - interval '10 minutes' WHERE id = $1", [id])
  t.same(await ours(), ['a/100', 'a/200'])
  await artifacts.forget(id, 'a/100')
  t.same(await ours(), ['a/200'])
  await artifacts.forget(id, 'a/200')
  t.same(await ours(), [])
  t.same(await artifacts.segments(id, 0), [segment(0, 100)])
})

t.test('create is refused once the run has ended', async t => {
  const draft = await create()
  await runs.end({ id: draft.runId, result: { exitCode: 0, signal: null, endCause: 'finished', durationMs: 1, completeness: complete, streams: [] }, agoMs: 0 })
  await t.rejects(artifacts.create({ ...draft, id: uuidv7() }), { code: 'EPH_CONFLICT' })
  await t.rejects(artifacts.create({ ...draft, id: uuidv7(), runId: uuidv7() }), { code: 'EPH_CONFLICT' })
  t.equal((await runs.find(draft.runId))?.artifacts.length, 1)
})

t.test('segments answers in order what ends after an offset, also beyond 4 GiB', async t => {
  const { id } = await create()
  const all = [segment(0, 8), segment(8, 8), segment(16, 4), segment(20, 5_000_000), segment(5_000_000_000, 8 << 20)]
  await Promise.all([...all].reverse().map(each => artifacts.addSegment(id, each)))
  t.equal((await artifacts.find(id))?.sizeBytes, 5_000_000_000 + (8 << 20))
  const from = async (offset: number) => (await artifacts.segments(id, offset)).map(({ offset }) => offset)
  t.strictSame(await artifacts.segments(id, 0), all)
  t.strictSame(await from(7), [0, 8, 16, 20, 5_000_000_000])
  t.strictSame(await from(8), [8, 16, 20, 5_000_000_000])
  t.strictSame(await from(5_000_000_001), [5_000_000_000])
  t.strictSame(await from(6_000_000_000), [])
  t.strictSame(await artifacts.segments(uuidv7(), 0), [])
})

t.test('list finds artifacts by what their runs are', async t => {
  const other = await claimedJob(database, { username: 'bob' })
  const run = await startedRun(database, other)
  const id = uuidv7()
  await artifacts.create({ id, runId: run.id, jobId: other.jobId, kind: 'pcap', contentType: 'x' })
  const find = async (filter: object) =>
    (await artifacts.list({ namespaces: null, ...filter }, { limit: 100, after: null })).items.map(({ id }) => id)
  t.strictSame(await find({ jobId: [other.jobId] }), [id])
  t.strictSame(await find({ sessionId: [run.sessionId] }), [id])
  t.strictSame(await find({ podUid: [other.podUid], namespaces: ['shop'] }), [id])
  t.strictSame(await find({ podUid: [other.podUid], namespaces: ['none'] }), [])
  t.notOk((await find({ diagnostic: ['packet-capture'] })).includes(id))
  const page = await artifacts.list({ namespaces: null }, { limit: 1, after: null })
  t.strictSame([page.items[0]?.id, page.nextCursor], [id, id])
  t.equal((await artifacts.list({ namespaces: null }, { limit: 1, after: id })).items[0]!.id < id, true)
  t.equal(await artifacts.find('x'), null)
})

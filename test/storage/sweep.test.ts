import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { v7 as uuidv7 } from 'uuid'
import type { Claim, JobDraft } from '#core/ports/storage.ts'
import { checkEvents } from '../support/check-events.ts'
import { claimedJob, startedRun } from '../support/claimed-run.ts'
import { draftJob, draftPod, measured } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const { openDatabase } = await startPostgres(t)
const limits = { caller: 10_000, namespace: 10_000, node: 10_000 }
const disconnected = { state: 'truncated', reason: 'disconnected' }

async function open (t: Test, { url, leaseSeconds }: { url?: string, leaseSeconds?: number } = {}) {
  const database = await openDatabase(t, { limits, url, leaseSeconds })
  const { jobs } = database
  const db = await connect(t, database.url)

  const claimed = (rest: Partial<JobDraft> = {}) => claimedJob(database, rest)
  /** As if its worker had said nothing for the time of a lease. */
  const lose = (...claims: Claim[]) =>
    db.query('UPDATE job_pod SET lease_until = clock_timestamp() WHERE id = ANY ($1)', [claims.map(({ jobPodId }) => jobPodId)])
  const run = (claim: Claim) => startedRun(database, claim)
  const podOf = async ({ jobId }: Claim) => (await jobs.find(jobId))!.pods.items[0]!
  return { ...database, db, claimed, lose, run, podOf }
}

t.test('sweep ends what had to wait too long, without a job that seems to run', async t => {
  const { jobs, db } = await open(t)
  const late = draftJob({ pods: [draftPod(), draftPod(), draftPod()] })
  const inTime = draftJob()
  for (const draft of [late, inTime]) await jobs.create(draft)
  t.equal(await jobs.sweep(), 0)
  await db.query('UPDATE job_pod SET expires_at = clock_timestamp() WHERE job_id = $1', [late.id])
  t.equal(await jobs.sweep(), 3)
  t.match(await jobs.find(late.id), { state: 'expired', verdict: null, error: { code: 'EPH_EXPIRED' }, startedAt: null, finishedAt: String })
  const events = await checkEvents(t, jobs, late.id, 'expired')
  t.strictSame(events.filter(({ type }) => type === 'job').map(({ data }) => data.state), ['queued', 'expired'])
  t.match(await jobs.find(inTime.id), { state: 'queued' })
})

t.test('sweep expires by the time that the job was given', async t => {
  const { jobs } = await open(t)
  const draft = draftJob({ startWithinSeconds: 1 })
  await jobs.create(draft)
  await until(() => jobs.sweep())
  const { createdAt, finishedAt } = (await jobs.find(draft.id))!
  t.ok(Date.parse(finishedAt!) - Date.parse(createdAt) >= 1000)
})

t.test('sweep gives back what a lost worker held, once its lease is over', async t => {
  const { jobs, claimed } = await open(t, { leaseSeconds: 1 })
  const lost = await claimed()
  await until(() => jobs.sweep())
  t.match(await jobs.find(lost.jobId), { state: 'queued', pods: { items: [{ state: 'queued' }] } })
  t.match(await jobs.events(lost.jobId, 4, 10), [
    { type: 'pod', data: { state: 'queued', attempt: 1, reason: 'The worker was lost' } }, { type: 'job', data: { state: 'queued' } }])
  t.strictSame([await jobs.finish(lost, measured()), await jobs.requeue(lost, 'x'), (await jobs.renew(lost)).held], [false, false, false])
  const [next] = await jobs.claim('v', 1)
  t.match(next, { jobPodId: lost.jobPodId, attempt: 2 })
  t.equal(await jobs.finish(lost, measured()), false)
  t.equal(await jobs.finish(next!, measured()), true)
})

t.test('renew keeps a claim from the sweep', async t => {
  const { jobs, claimed, lose } = await open(t)
  const claim = await claimed()
  await lose(claim)
  t.match(await jobs.renew(claim), { held: true })
  t.equal(await jobs.sweep(), 0)
  t.equal(await jobs.finish(claim, measured()), true)
})

t.test('sweep ends what must not run twice, if its tool may have started: where its row stands, it may have been sent', async t => {
  const { jobs, runs, claimed, lose, run, podOf } = await open(t)
  const start = async (claim: Claim) => {
    const id = uuidv7()
    await runs.start({ ...claim, id, sessionId: randomUUID(), argv: ['dig'], reused: false, username: 'ada' })
    return id
  }
  for (const send of [run, start]) {
    const claim = await claimed({ retrySafe: false })
    await lose(claim)
    t.equal(await jobs.sweep(), 1)
    t.match(await podOf(claim), { state: 'queued' }, 'nothing was sent')
    const [again] = await jobs.claim('w', 1)
    // Its worker knew that this one never started, and wrote that down.
    const id = await start(again!)
    const never = { exitCode: null, signal: null, endCause: null, durationMs: null, completeness: null, streams: [] }
    await runs.end({ id, result: never, agoMs: 0 })
    await lose(again!)
    t.equal(await jobs.sweep(), 1)
    t.match(await podOf(claim), { state: 'queued' })
    const [last] = await jobs.claim('w', 1)
    await send(last!)
    await lose(last!)
    t.equal(await jobs.sweep(), 1)
    t.match(await podOf(claim), { state: 'failed', error: { code: 'EPH_INDETERMINATE', effect: 'unknown' } })
    await checkEvents(t, jobs, claim.jobId, 'failed')
  }
})

t.test('a lost worker that comes back writes nothing behind the end of its job', async t => {
  const { jobs, runs, claimed, lose, podOf } = await open(t)
  const claim = await claimed({ retrySafe: false })
  const id = uuidv7()
  await runs.start({ ...claim, id, sessionId: randomUUID(), argv: ['dig'], reused: false, username: 'ada' })
  await lose(claim)
  await jobs.sweep()
  await runs.started(id)
  await jobs.appendEvent(claim.jobId, 'run', { runId: id, phase: 'listening' })
  await checkEvents(t, jobs, claim.jobId, 'failed')
  t.match((await podOf(claim)).runs, [{ id, startedAt: null, endCause: 'disconnected' }])
})

t.test('sweep lets what is safe run again, and keeps the runs of the lost attempt as they are', async t => {
  const { jobs, runs, artifacts, claimed, lose, run, podOf } = await open(t)
  const claim = await claimed()
  const ended = await run(claim)
  await runs.end({ id: ended.id, result: { exitCode: 0, signal: null, endCause: 'exited', durationMs: 5, completeness: { state: 'complete', reason: null }, streams: [] }, agoMs: 0 })
  const cut = await run(claim)
  await runs.append(cut, 'stdout', 0, Buffer.alloc(70_000, 'o'))
  await runs.append(cut, 'stderr', 0, Buffer.from('err'))
  const capture = await run(claim)
  const artifact = { id: uuidv7(), runId: capture.id, jobId: claim.jobId, kind: 'pcap', contentType: 'application/x' }
  await artifacts.create(artifact)
  await artifacts.addSegment(artifact.id, { key: 'a/0', offset: 0, sizeBytes: 500, sha256: 'x' })
  const { seq } = (await jobs.events(claim.jobId, 0, 100)).at(-1)!

  await lose(claim)
  t.equal(await jobs.sweep(), 1)
  const { state, runs: [first, second, third] } = await podOf(claim)
  t.equal(state, 'queued')
  t.match(first, { id: ended.id, endCause: 'exited', completeness: { state: 'complete' } })
  const streams = (stdout: number, stderr: number) => [['stdout', stdout], ['stderr', stderr]].map(([name, bytes]) =>
    ({ name, receivedBytes: bytes, sha256: null, storedBytes: bytes, redactions: 0 }))
  t.match(second, { id: cut.id, endedAt: String, endCause: 'disconnected', completeness: disconnected, streams: streams(70_000, 3) })
  t.match(third, { id: capture.id, completeness: disconnected, streams: streams(500, 0), artifacts: [{ id: artifact.id, sizeBytes: 500 }] })
  t.match(await artifacts.find(artifact.id), { state: 'sealed', sizeBytes: 500, sha256: null, completeness: disconnected, sealedAt: String })
  t.match((await jobs.events(claim.jobId, seq, 10)).map(({ type, data: { phase, runId, state } }) => [type, phase ?? state, runId]), [
    ['artifact', 'sealed', capture.id], ['run', 'ended', cut.id], ['run', 'ended', capture.id], ['pod', 'queued'], ['job', 'queued']])

  const [again] = await jobs.claim('w', 1)
  await jobs.finish(again!, measured())
  t.match(await jobs.find(claim.jobId), { state: 'succeeded', verdict: 'pass' })
  await checkEvents(t, jobs, claim.jobId, 'succeeded')
})

t.test('a worker that was lost and comes back changes no evidence, and begins nothing', async t => {
  const { jobs, runs, artifacts, claimed, lose, run } = await open(t)
  const claim = await claimed()
  const cut = await run(claim)
  await runs.append(cut, 'stdout', 0, Buffer.from('before'))
  const artifact = { id: uuidv7(), runId: cut.id, jobId: claim.jobId, kind: 'pcap', contentType: 'application/x' }
  await artifacts.create(artifact)
  await lose(claim)
  await jobs.sweep()
  const before = [await runs.find(cut.id), await artifacts.find(artifact.id), await jobs.events(claim.jobId, 0, 100)]

  const conflict = { code: 'EPH_CONFLICT' }
  await t.rejects(runs.append(cut, 'stdout', 6, Buffer.from('after')), conflict)
  await t.rejects(run(claim), conflict)
  await t.rejects(artifacts.create({ ...artifact, id: uuidv7() }), conflict)
  await t.rejects(artifacts.addSegment(artifact.id, { key: 'a/0', offset: 0, sizeBytes: 5, sha256: 'x' }), conflict)
  await runs.end({ id: cut.id, result: { exitCode: 0, signal: null, endCause: 'exited', durationMs: 5, completeness: { state: 'complete', reason: null }, streams: [] }, agoMs: 0 })
  await artifacts.seal(artifact.id, 5, 'x', { state: 'complete', reason: null })
  t.strictSame([await runs.find(cut.id), await artifacts.find(artifact.id), await jobs.events(claim.jobId, 0, 100)], before)
  t.equal((await runs.output(cut, 'stdout', 0, 100)).toString(), 'before')
})

t.test('sweep gives up after 3 attempts', async t => {
  const { jobs, claimed, lose, podOf } = await open(t)
  let claim = await claimed()
  for (const attempt of [1, 2]) {
    t.equal(claim.attempt, attempt)
    await lose(claim)
    await jobs.sweep()
    claim = (await jobs.claim('w', 1))[0]!
  }
  await lose(claim)
  t.equal(await jobs.sweep(), 1)
  t.match(await podOf(claim), { state: 'failed', error: { code: 'EPH_CHANNEL_LOST', retryable: 'later' } })
  await checkEvents(t, jobs, claim.jobId, 'failed')
})

t.test('sweep cancels what a lost worker held of a job whose cancellation was accepted', async t => {
  const { jobs, claimed, lose, run, podOf } = await open(t)
  for (const retrySafe of [true, false]) {
    const claim = await claimed({ retrySafe })
    await run(claim)
    await jobs.cancel(claim.jobId)
    await lose(claim)
    t.equal(await jobs.sweep(), 1)
    t.match(await podOf(claim), { state: 'cancelled', error: { code: 'EPH_CANCELLED' }, runs: [{ completeness: disconnected }] })
    await checkEvents(t, jobs, claim.jobId, 'cancelled')
  }
})

t.test('sweeps at the same time share the work', async t => {
  const { jobs, lose, url } = await open(t)
  const other = await open(t, { url })
  await Promise.all(Array.from({ length: 30 }, () => jobs.create(draftJob({ pods: [draftPod(), draftPod()] }))))
  await lose(...await jobs.claim('w', 100))
  const counts = await Promise.all(Array.from({ length: 6 }, (_, nth) => (nth % 2 ? jobs : other.jobs).sweep()))
  t.equal(counts.reduce((sum, count) => sum + count), 60)
  t.equal((await jobs.claim('w', 100)).length, 60)
})

t.test('sweep goes on with the others where a pod is locked', async t => {
  const { jobs, db, claimed, lose, podOf } = await open(t)
  const claims = [await claimed(), await claimed()]
  await lose(...claims)
  await db.query('BEGIN')
  await db.query('SELECT FROM job_pod WHERE id = $1 FOR UPDATE', [claims[0]!.jobPodId])
  t.equal(await jobs.sweep(), 1)
  t.match(await podOf(claims[1]!), { state: 'queued' })
  await db.query('ROLLBACK')
  t.equal(await jobs.sweep(), 1)
})

t.test('the first sweep of a process removes leases and wake-ups of long ago', async t => {
  const { jobs, leases, db } = await open(t)
  await leases.acquire('old', 'w', 60)
  await leases.acquire('new', 'w', 60)
  for (const id of [1, 2]) await jobs.create(draftJob({ username: `u-${id}` }))
  await jobs.claim('w', 2)
  await db.query('UPDATE lease SET until = now() - interval \'2 days\' WHERE name = \'old\'')
  await db.query('UPDATE outbox SET relayed_at = now() - interval \'2 days\' WHERE job_id = (SELECT job_id FROM outbox LIMIT 1)')
  await jobs.sweep()
  t.strictSame((await db.query('SELECT name FROM lease')).rows, [{ name: 'new' }])
  t.equal((await db.query('SELECT FROM outbox')).rowCount, 1)
})

t.test('keys are kept for a day: the first sweep of a process removes older ones', async t => {
  const { jobs, db } = await open(t)
  const launch = (key: string) => jobs.create(draftJob({ idempotency: { key, requestHash: 'h' } }))
  await launch('old')
  const { job } = await launch('new')
  await db.query("UPDATE idempotency_key SET created_at = now() - CASE key WHEN 'old' THEN interval '25 hours' ELSE interval '23 hours' END")
  await jobs.sweep()
  t.match(await launch('new'), { replayed: true, job: { id: job.id } })
  t.match(await launch('old'), { replayed: false })
})

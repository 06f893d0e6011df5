import t from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { createDatabase } from '../../src/storage/database.ts'
import { draftJob, measured } from '../support/job-drafts.ts'
import { startPooler } from '../support/pooler.ts'
import { connect } from '../support/postgres.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { examplePod } from '../support/recorded-probe.ts'
import { until } from '../support/until.ts'

const direct = await startPostgresServer(t, '127.0.0.1')
const strict = await startPooler(t, direct)
const lenient = await startPooler(t, direct, { ignores: ['options', 'extra_float_digits'] })
const admin = await connect(t, direct)

t.test('without the direct address it says what is missing, whatever the pooler does with settings', async t => {
  for (const url of [strict, lenient]) {
    await t.rejects(createDatabase({ url }), { message: /^Cannot migrate: a pooler answers in place of Postgres.*set DATABASE_DIRECT_URL/ })
    await t.rejects(createDatabase({ url: direct, directUrl: url }), { message: /set DATABASE_DIRECT_URL/ })
  }
})

t.test('a role whose time zone is not UTC is refused with what to do', async t => {
  await admin.query('ALTER ROLE ephemera SET timezone = \'Asia/Kathmandu\'')
  const kathmandu = await startPooler(t, direct)
  await t.rejects(createDatabase({ url: kathmandu, directUrl: direct }), { message: /ALTER ROLE "ephemera" SET timezone = 'UTC'/ })
  await admin.query('ALTER ROLE ephemera SET timezone = \'UTC\'')
})

t.test('a job goes its whole way through a pooler, seen by another process', async t => {
  await admin.query('ALTER ROLE ephemera SET timezone = \'UTC\'')
  const url = await startPooler(t, direct)
  const [one, other] = [await createDatabase({ url, directUrl: direct }), await createDatabase({ url, directUrl: direct })]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  await until(() => other.notifications.notify('test', ''))
  const before = Date.now()

  // More at once than the pooler has connections: each statement meets another one.
  const drafts = Array.from({ length: 30 }, () => draftJob())
  await Promise.all(drafts.map(draft => one.jobs.create(draft)))
  const keyed = draftJob({ idempotency: { key: 'k', requestHash: 'h' } })
  t.equal((await one.jobs.create(keyed)).replayed, false)
  t.equal((await other.jobs.create({ ...draftJob({ idempotency: keyed.idempotency }) })).job.id, keyed.id)

  const seen = new Map<string, number>()
  for (const { id } of drafts) other.jobs.watch(id, () => { seen.set(id, (seen.get(id) ?? 0) + 1) })
  const claims = (await Promise.all(Array.from({ length: 10 }, () => one.jobs.claim('w', 5)))).flat()
  t.equal(new Set(claims.map(({ jobPodId }) => jobPodId)).size, claims.length)
  await Promise.all(claims.map(async (claim, nth) => {
    const pod = examplePod({ name: `pod-${nth}`, uid: `uid-${nth}` })
    const session = await one.sessions.open({
      id: uuidv7(),
      pod,
      ephemeralContainer: `e-${nth}`,
      image: 'i',
      imageDigest: 'd',
      profile: 'restricted',
      purpose: 'diagnostics',
      sharedContainer: null,
      sharesProcesses: false,
      openedBy: 'ada'
    })
    const run = uuidv7()
    await one.runs.start({ ...claim, id: run, sessionId: session!.id, argv: ['dig'], reused: false, username: 'ada' })
    await one.runs.started(run)
    await one.runs.append({ id: run, jobId: claim.jobId }, 'stdout', 0, Buffer.from(`answer ${nth}`))
    await one.runs.end({
      id: run, agoMs: 0, result: { exitCode: 0, signal: null, endCause: 'exited', durationMs: 1, completeness: { state: 'complete', reason: null }, streams: [] }
    })
    t.match(await one.jobs.renew(claim), { held: true })
    t.equal(await one.jobs.finish(claim, measured()), true)
    t.equal((await other.runs.output({ id: run, jobId: claim.jobId }, 'stdout', 0, 100)).toString(), `answer ${nth}`)
  }))
  for (const { jobId } of claims) {
    const job = await other.jobs.find(jobId)
    t.match(job, { state: 'succeeded' })
    t.ok(Math.abs(Date.parse(job!.createdAt) - before) < 60_000, 'no time is shifted by a zone')
  }
  await until(() => claims.every(({ jobId }) => seen.has(jobId)), 4) // sooner than those look who were told nothing
  t.ok((await other.jobs.list({ namespaces: null }, { limit: 5, after: null })).items.length === 5)
  t.equal(await other.jobs.sweep(), 0)
  t.equal(await one.leases.acquire('l', 'a', 60), true)
  t.equal(await other.leases.acquire('l', 'b', 60), false)
  await one.leases.release('l', 'a')
  t.equal(await other.leases.acquire('l', 'b', 60), true)
})

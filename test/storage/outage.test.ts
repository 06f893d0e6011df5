import { randomUUID } from 'node:crypto'
import t from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { Problem } from '#core/errors.ts'
import { createDatabase } from '../../src/storage/database.ts'
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres.ts'
import { claimedJob } from '../support/claimed-run.ts'
import { draftJob, measured } from '../support/job-drafts.ts'
import { connect, makeFolder } from '../support/postgres.ts'
import { examplePod } from '../support/recorded-probe.ts'
import { until } from '../support/until.ts'

const folder = await makeFolder(t)
let server = await startEmbeddedPostgres({ folder })
t.teardown(() => server.stop())
const limits = { caller: 10_000, namespace: 10_000, node: 10_000 }
const changes: unknown[] = []
const database = await createDatabase({ url: server.url, limits, changed: why => { changes.push(why) } })
t.teardown(() => database.close())
const { jobs, runs, artifacts, sessions, leases, audit } = database

const claim = await claimedJob(database)
const draft = draftJob({ idempotency: { key: 'k', requestHash: 'h' } })
const run = { id: uuidv7(), jobId: claim.jobId }
const page = { limit: 5, after: null }
const complete = { state: 'complete' as const, reason: null }
const session = {
  id: uuidv7(),
  pod: examplePod(),
  ephemeralContainer: 'e',
  image: 'i',
  imageDigest: 'd',
  profile: 'restricted' as const,
  purpose: 'p',
  sharedContainer: null,
  sharesProcesses: false,
  openedBy: 'ada'
}
/** Every call that needs the server. */
const calls: Record<string, () => Promise<unknown>> = {
  check: () => database.check(),
  create: () => jobs.create(draft),
  findSource: () => jobs.findSource({ ...draft, sharing: { maxAgeSeconds: 60, ownOnly: true }, pods: [] }),
  countQueued: () => jobs.countQueued('ada'),
  queuePositions: () => jobs.queuePositions([claim.jobId]),
  replay: () => jobs.replay(draft.principal, 'k', 'h'),
  find: () => jobs.find(claim.jobId),
  list: () => jobs.list({ namespaces: null }, page),
  pods: () => jobs.pods(claim.jobId, page),
  events: () => jobs.events(claim.jobId, 0, 5),
  appendEvent: () => jobs.appendEvent(claim.jobId, 'queue', {}),
  claim: () => jobs.claim('w', 5),
  renew: () => jobs.renew(claim),
  attachSession: () => jobs.attachSession(claim, session.id, false),
  finish: () => jobs.finish(claim, measured()),
  requeue: () => jobs.requeue(claim, 'again'),
  cancel: () => jobs.cancel(claim.jobId),
  askFinish: () => jobs.askFinish(claim.jobId),
  sweep: () => jobs.sweep(),
  'sessions.open': () => sessions.open(session),
  'sessions.findLiving': () => sessions.findLiving({ ...session, podUid: 'x', imageDigests: ['d'] }),
  'sessions.opened': () => sessions.opened(session.id),
  'sessions.close': () => sessions.close(session.id, 'ended'),
  'sessions.find': () => sessions.find(session.id),
  'sessions.list': () => sessions.list({ namespaces: null }, page),
  'runs.start': () => runs.start({ ...claim, id: run.id, sessionId: randomUUID(), argv: ['dig'], reused: false, username: 'ada' }),
  'runs.started': () => runs.started(run.id),
  'runs.append': () => runs.append(run, 'stdout', 0, Buffer.from('x')),
  'runs.end': () => runs.end({ id: run.id, result: { exitCode: 0, signal: null, endCause: 'exited', durationMs: 1, completeness: complete, streams: [] }, agoMs: 0 }),
  'runs.find': () => runs.find(run.id),
  'runs.list': () => runs.list({ namespaces: null }, page),
  'runs.output': () => runs.output(run, 'stdout', 0, 5),
  'artifacts.create': () => artifacts.create({ id: uuidv7(), runId: run.id, jobId: run.jobId, kind: 'pcap', contentType: 'x' }),
  'artifacts.announce': () => artifacts.announce(run.id, 'k'),
  'artifacts.strays': () => artifacts.strays(5),
  'artifacts.forget': () => artifacts.forget(run.id, 'k'),
  'artifacts.addSegment': () => artifacts.addSegment(run.id, { key: 'k', offset: 0, sizeBytes: 1, sha256: 'x' }),
  'artifacts.seal': () => artifacts.seal(run.id, 1, 'x', complete),
  'artifacts.find': () => artifacts.find(run.id),
  'artifacts.list': () => artifacts.list({ namespaces: null }, page),
  'artifacts.segments': () => artifacts.segments(run.id, 0),
  'leases.acquire': () => leases.acquire('l', 'w', 5),
  'leases.takePlace': () => leases.takePlace('p', 'w', 5, 2),
  'leases.release': () => leases.release('l', 'w'),
  'audit.record': () => audit.record(draft.audit),
  createDatabase: () => createDatabase({ url: server.url })
}
const unavailable = { name: 'Problem', code: 'EPH_DATABASE_UNAVAILABLE', status: 503 }

t.test('the calls are all there are', async t => {
  const { watch, ...methods } = jobs
  const names = [
    'check', 'createDatabase', ...Object.keys(methods),
    ...Object.entries({ sessions, runs, artifacts, leases, audit }).flatMap(([store, methods]) => Object.keys(methods).map(name => `${store}.${name}`))
  ]
  t.strictSame(Object.keys(calls).sort(), names.sort())
})

t.test('without a server every call rejects with EPH_DATABASE_UNAVAILABLE, soon', async t => {
  await server.stop()
  const begun = Date.now()
  for (const [name, call] of Object.entries(calls)) await t.rejects(call(), unavailable, name)
  t.ok(Date.now() - begun < 20_000)
})

t.test('with the server back the same stores work and listen again', async t => {
  server = await startEmbeddedPostgres({ folder })
  await database.check()
  t.match(await jobs.find(claim.jobId), { state: 'running' })
  await jobs.create(draft)
  t.equal(await jobs.finish(claim, measured()), true)
  await until(() => database.notifications.notify('test', ''))
})

t.test('a call whose connection is cut rejects with EPH_DATABASE_UNAVAILABLE, and the next one works', async t => {
  const db = await connect(t, server.url)
  await leases.acquire('l', 'w', 60)
  await db.query('BEGIN; SELECT FROM lease FOR UPDATE')
  await db.query('SELECT FROM job WHERE id = $1 FOR UPDATE', [draft.id])
  const waiting = Promise.allSettled([jobs.appendEvent(draft.id, 'queue', {}), jobs.cancel(draft.id), leases.release('l', 'w')])
  const look = await connect(t, server.url)
  const cut = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = \'Lock\' AND application_name = \'ephemera\''
  let left = 3
  await until(async () => { left -= (await look.query(cut)).rowCount ?? 0; return left <= 0 })
  for (const outcome of await waiting) t.match(outcome, { status: 'rejected', reason: unavailable })
  await db.query('ROLLBACK')
  t.match(await jobs.find(draft.id), { state: 'queued' })
  t.match(await jobs.cancel(draft.id), { state: 'cancelled' })
})

t.test('a server that is killed takes nothing with it that was acknowledged, and what was not is there once or not at all', async t => {
  const acknowledged: string[] = []
  const refused: string[] = []
  const reasons: unknown[] = []
  const worker = async () => {
    for (;;) {
      const key = uuidv7()
      const draft = draftJob({ idempotency: { key, requestHash: 'h' } })
      try {
        await jobs.create(draft)
        acknowledged.push(draft.id)
      } catch (error) {
        refused.push(key)
        reasons.push(error)
        return
      }
    }
  }
  const workers = Array.from({ length: 8 }, worker)
  await until(() => acknowledged.length > 40)
  process.kill(server.pid, 'SIGKILL')
  await Promise.all(workers)
  for (const reason of reasons) t.match(reason, unavailable)
  await server.ended
  server = await startEmbeddedPostgres({ folder })
  await database.check()
  for (const id of acknowledged) t.match(await jobs.find(id), { id, state: 'queued', pods: { items: [{ state: 'queued' }] } })
  const db = await connect(t, server.url)
  for (const key of refused) {
    const again = () => jobs.create(draftJob({ idempotency: { key, requestHash: 'h' } }))
    const [first, second] = [await again(), await again()]
    t.equal(second.job.id, first.job.id)
    const { rows } = await db.query('SELECT job_id AS id FROM idempotency_key WHERE key = $1', [key])
    t.same(rows, [{ id: first.job.id }])
  }
})

t.test('a server that is away is not asked by each call, and soon found to be back', async t => {
  await server.stop()
  for (let nth = 0; nth < 5; nth++) await t.rejects(jobs.find(draft.id), unavailable)
  const since = performance.now()
  for (let nth = 0; nth < 1000; nth++) await t.rejects(jobs.find(draft.id), unavailable)
  t.comment(`1000 refusals in ${Math.round(performance.now() - since)} ms`)
  t.match(changes.at(-1), unavailable)
  server = await startEmbeddedPostgres({ folder })
  await until(() => changes.at(-1) === null, 5)
  t.match(await jobs.find(draft.id), { id: draft.id })
})

t.test('a lock that is waited for too long, and a wrong call, are no outage', async t => {
  const before = changes.length
  const { job: { id } } = await jobs.create(draftJob())
  const db = await connect(t, server.url)
  await db.query('BEGIN; SELECT FROM job FOR UPDATE')
  const look = await connect(t, server.url)
  const waiting = Promise.allSettled(Array.from({ length: 8 }, () => jobs.appendEvent(id, 'queue', {})))
  const cancel = 'SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = \'Lock\' AND application_name = \'ephemera\''
  let left = 8
  await until(async () => { left -= (await look.query(cancel)).rowCount ?? 0; return left <= 0 })
  for (const outcome of await waiting) t.match(outcome, { status: 'rejected', reason: { ...unavailable, message: /did not get to it in time/ } })
  await db.query('ROLLBACK')
  t.match(await jobs.find(id), { id })
  t.equal(changes.length, before)
})

t.test('what is wrong with a call itself is not said to be an outage', async t => {
  const error = await artifacts.addSegment(run.id, { key: 'k', offset: 0, sizeBytes: 2 ** 40, sha256: 'x' }).catch((error: unknown) => error)
  t.ok(error instanceof Error && !(error instanceof Problem))
})

t.test('a server that only reads is said to be unavailable', async t => {
  const db = await connect(t, server.url)
  await db.query('ALTER DATABASE ephemera SET default_transaction_read_only = on')
  const replica = await createDatabase({ url: server.url }).catch((error: unknown) => error)
  t.match(replica, { ...unavailable, message: /it only reads/ }, 'it is no use to start on')
  const end = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \'ephemera\''
  await until(async () => (await db.query(end)).rowCount === 0)
  await t.rejects(jobs.create(draftJob()), unavailable)
  await t.rejects(leases.release('l', 'w'), unavailable)
  await t.rejects(database.check(), { ...unavailable, message: /it only reads/ })
  t.match(await jobs.find(draft.id), { id: draft.id }, 'what is stored can be read')
})

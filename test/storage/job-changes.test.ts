import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { createNotifications } from '../../src/storage/notifications.ts'
import { claimedJob, startedRun } from '../support/claimed-run.ts'
import { draftJob, measured } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const { emptyDatabase, openDatabase } = await startPostgres(t)
const limits = { caller: 10_000, namespace: 10_000, node: 10_000 }

/** Counts what is heard of a job. Each process looks again every 5 s, so a test has to be sooner. */
function counted (t: Test, { jobs }: Pick<Awaited<ReturnType<typeof openDatabase>>, 'jobs'>, jobId: string) {
  const heard = { times: 0 }
  t.teardown(jobs.watch(jobId, () => { heard.times++ }))
  return heard
}

/** Both listen, so that what one does the other hears. */
async function pair (t: Test) {
  const one = await openDatabase(t, { limits })
  const other = await openDatabase(t, { limits, url: one.url })
  for (const { notifications } of [one, other]) await until(() => notifications.notify('test', ''))
  return { one, other }
}

t.test('who watches a job hears of each kind of change, in the same process and in another', async t => {
  const { one, other } = await pair(t)
  const { jobs, runs, artifacts } = one
  const draft = draftJob()
  await jobs.create(draft)
  const [here, there] = [counted(t, one, draft.id), counted(t, other, draft.id)]
  const elsewhere = counted(t, other, draftJob().id)
  async function hears (what: string, change: () => Promise<unknown>): Promise<void> {
    const before = [here.times, there.times] as const
    await change()
    t.ok(here.times > before[0], `${what}: at once in the same process`)
    await until(() => there.times > before[1], 3)
  }
  let claim = (await jobs.claim('w', 1))[0]!
  await hears('requeue', () => jobs.requeue(claim, 'again'))
  await hears('claim', async () => { claim = (await jobs.claim('w', 1))[0]! })
  await hears('appendEvent', () => jobs.appendEvent(draft.id, 'queue', {}))
  const run = await startedRun(one, claim)
  await hears('append', () => runs.append({ id: run.id, jobId: draft.id }, 'stdout', 0, Buffer.from('x')))
  const artifact = { id: uuidv7(), runId: run.id, jobId: draft.id, kind: 'pcap', contentType: 'x' }
  await hears('artifacts.create', () => artifacts.create(artifact))
  await hears('addSegment', () => artifacts.addSegment(artifact.id, { key: 'k', offset: 0, sizeBytes: 1, sha256: 'x' }))
  await hears('seal', () => artifacts.seal(artifact.id, 1, 'x', { state: 'complete', reason: null }))
  await hears('end', () => runs.end({ id: run.id, result: { exitCode: 0, signal: null, endCause: 'exited', durationMs: 1, completeness: null, streams: [] }, agoMs: 0 }))
  await hears('askFinish', () => jobs.askFinish(draft.id))
  await hears('cancel', () => jobs.cancel(draft.id))
  await hears('finish', () => jobs.finish(claim, measured()))
  t.equal(elsewhere.times, 0)
})

t.test('the sweep tells who watches', async t => {
  const { one, other } = await pair(t)
  const claim = await claimedJob(one)
  const there = counted(t, other, claim.jobId)
  await (await connect(t, one.url)).query('UPDATE job_pod SET lease_until = now()')
  await one.jobs.sweep()
  await until(() => there.times > 0, 3)
})

t.test('whoever has stopped watching hears nothing more', async t => {
  const database = await openDatabase(t)
  const draft = draftJob()
  await database.jobs.create(draft)
  let times = 0
  const stop = database.jobs.watch(draft.id, () => { times++ })
  const other = counted(t, database, draft.id)
  stop()
  stop()
  await database.jobs.appendEvent(draft.id, 'queue', {})
  t.strictSame([times, other.times], [0, 1])
})

t.test('a process hears of a change in another process', async t => {
  const database = await openDatabase(t)
  const draft = draftJob()
  await database.jobs.create(draft)
  const program = new URL('../support/watch-job-main.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [program, database.url, draft.id], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let changed = 0
  const lines = createInterface({ input: child.stdout })
  await once(lines, 'line')
  lines.on('line', () => { changed++ })
  // Once it listens, and while this process can tell.
  await until(async () => {
    await database.jobs.appendEvent(draft.id, 'queue', {})
    return changed > 0
  }, 4)
  t.ok(changed > 0)
})

t.test('many changes at the same time are told, of every job', async t => {
  const { one, other } = await pair(t)
  const drafts = Array.from({ length: 300 }, () => draftJob())
  await Promise.all(drafts.map(draft => one.jobs.create(draft)))
  const heard = drafts.map(({ id }) => counted(t, other, id))
  await Promise.all(drafts.map(({ id }) => one.jobs.appendEvent(id, 'queue', {})))
  await until(() => heard.every(({ times }) => times > 0), 4)
  t.pass('all heard')
})

t.test('a listener whose connection is lost is told to look again, and listens again', async t => {
  const url = await emptyDatabase()
  const db = await connect(t, url)
  const [one, other] = [createNotifications({ directUrl: url }), createNotifications({ directUrl: url })]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  const heard: (string | null)[] = []
  other.listen('news', payload => heard.push(payload))
  await until(() => heard.length === 1)
  await until(() => one.notify('news', 'first'))
  await until(() => heard.length === 2)

  await db.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \'ephemera-listen\' AND datname = current_database()')
  await until(() => heard.length === 3)
  await until(() => one.notify('news', 'second'))
  await until(() => heard.length === 4)
  t.strictSame(heard, [null, 'first', null, 'second'])
})

t.test('notifications reach the others, not oneself, on their channel only', async t => {
  const url = await emptyDatabase()
  const [one, other] = [createNotifications({ directUrl: url }), createNotifications({ directUrl: url })]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  for (const each of [one, other]) await until(() => each.notify('warm', 'up'))
  const heard: string[] = []
  const stop = one.listen('a "channel"', payload => heard.push(`one ${payload}`))
  other.listen('a "channel"', payload => heard.push(`other ${payload}`))
  other.listen('another', payload => heard.push(`wrong ${payload}`))
  await until(async () => { // until both LISTENs have arrived
    heard.length = 0
    return await one.notify('a "channel"', 'x') && await other.notify('a "channel"', 'y') && await delay(50, heard.length === 2)
  })
  t.strictSame(heard.sort(), ['one y', 'other x'])
  stop()
  await other.notify('a "channel"', 'z')
  await until(() => one.notify('a "channel"', 'last'))
  await until(() => heard.includes('other last'))
  t.notOk(heard.includes('one z'))
})

t.test('closing ends at once, also while the connection is being made or cannot be', async t => {
  const url = await emptyDatabase()
  for (let round = 0; round < 5; round++) {
    const notifications = createNotifications({ directUrl: url })
    await delay(round)
    await notifications.close()
    t.equal(await notifications.notify('x', ''), false)
  }
  const nowhere = createNotifications({ directUrl: 'postgres://ephemera@localhost/x?host=/nowhere' })
  t.equal(await nowhere.notify('x', ''), false)
  await nowhere.close()
})

import { join } from 'node:path'
import t from 'tap'
import { persist } from '../../src/jobs/persist.ts'
import { createDatabase } from '../../src/storage/database.ts'
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres.ts'
import { claimedJob } from '../support/claimed-run.ts'
import { draftJob, measured } from '../support/job-drafts.ts'
import { connect } from '../support/postgres.ts'
import { makeSmallDisk } from '../support/small-disk.ts'

const disk = await makeSmallDisk(t, 160)
const folder = join(disk.folder, 'postgres')
let server = await startEmbeddedPostgres({ folder })
t.teardown(() => server.stop())
const changes: unknown[] = []
const limits = { caller: 10_000, namespace: 10_000, node: 10_000 }
const database = await createDatabase({ url: server.url, limits, changed: why => { changes.push(why) } })
t.teardown(() => database.close())
const { jobs, audit } = database
const acknowledged: string[] = []

async function createAll (most: number): Promise<unknown> {
  for (let nth = 0; nth < most; nth++) {
    const draft = draftJob()
    try {
      await jobs.create(draft)
      acknowledged.push(draft.id)
    } catch (error) {
      return error
    }
  }
  return null
}

t.test('on a full disk nothing is acknowledged that is not stored, and what is stored can be read', async t => {
  const claim = await claimedJob(database)
  disk.fill()
  const refusal = await createAll(5000)
  t.match(refusal, { code: 'EPH_DATABASE_UNAVAILABLE', status: 503, retryable: 'later', effect: 'none', message: /its disk is full/ })
  await t.rejects(jobs.create(draftJob()), { code: 'EPH_DATABASE_UNAVAILABLE' })
  for (const id of acknowledged) t.match(await jobs.find(id), { id, state: 'queued' })
  t.same(changes, [], 'a database that answers is not taken for away')
  // A worker goes on trying for a while.
  const writing = persist(() => jobs.finish(claim, { ...measured(), report: { text: 'x'.repeat(100_000) } }))
  const recording = persist(() => audit.record(draftJob().audit))
  disk.free()
  t.equal(await writing, true)
  await recording
  t.match(await jobs.find(claim.jobId), { state: 'succeeded' })
  t.equal(await createAll(5), null, 'and it works again by itself')
})

t.test('a server that the full disk has ended keeps what was acknowledged', async t => {
  const admin = await connect(t, server.url)
  disk.fill()
  // Its log goes on in a new file, for which there is no room.
  for (let nth = 0; nth < 50; nth++) {
    const failed = await createAll(1)
    if (failed) t.match(failed, { code: 'EPH_DATABASE_UNAVAILABLE' })
    if (await admin.query('SELECT pg_switch_wal()').then(() => false, () => true)) break
  }
  t.match(await createAll(5000), { code: 'EPH_DATABASE_UNAVAILABLE' })
  disk.free()
  await server.stop()
  server = await startEmbeddedPostgres({ folder })
  await database.check()
  t.equal(await createAll(5), null)
  for (const id of acknowledged) t.match(await jobs.find(id), { id, state: 'queued', pods: { items: [{ state: 'queued' }] } })
})

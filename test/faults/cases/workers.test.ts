import t from 'tap'
import { untilToolsEnded } from '../../support/container-processes.ts'
import { until } from '../../support/until.ts'
import { checkBucket } from '../evidence.ts'
import { errorOf, openStage, runsOf } from './stage.ts'

const stage = await openStage(t, { workers: 1, pods: 4 })
const { client, db, launch, executed, loseLeases, place, servers } = stage
const [worker] = stage.workers

t.test('a worker that is killed between an object and its row leaves no object without a row', async t => {
  const { job, word, pod } = await launch('capture', { seconds: 60 })
  await executed(word)
  await client.events(job.id, ({ type, data }) => type === 'run' && data.phase === 'listening')
  const { proxies: { database }, answers: { bucket } } = worker!
  const { met } = bucket
  // Announced, and not put yet: from here on no row can be written.
  bucket.befall(() => ({ kind: 'late', ms: 1500 }))
  await until(() => bucket.met > met)
  database.blackhole()
  const objects = async () => (await checkBucket(db, servers.s3.folder)).filter(what => what.startsWith('an object has no row'))
  await until(async () => (await objects()).length > 0)
  bucket.befall(null)
  database.heal()
  await worker!.kill(0)
  database.cut()
  await loseLeases()
  const done = await client.final(job.id, 60)
  t.equal(errorOf(done), 'EPH_INDETERMINATE')
  const [run] = runsOf(done)
  t.same(run!.completeness, { state: 'truncated', reason: 'disconnected' })
  const [artifact] = run!.artifacts
  t.equal((await client.bytes(`/v1/artifacts/${artifact!.id}/content`)).length, artifact!.sizeBytes)
  await db.query("UPDATE artifact SET sealed_at = sealed_at - interval '1 hour'")
  await until(async () => (await objects()).length === 0)
  t.same(await checkBucket(db, servers.s3.folder), [])
  await untilToolsEnded(place.namespace, pod, { seconds: 20 })
})

t.test('a job with which each worker is lost ends after 3 of them, and others run', async t => {
  const { job, word } = await launch('slow', { seconds: 30 })
  for (let attempt = 1; attempt <= 3; attempt++) {
    await executed(word, attempt)
    // What may be repeated is sent while its row is being written.
    await until(async () => (await db.query('SELECT FROM run WHERE job_id = $1', [job.id])).rows.length === attempt)
    await worker!.kill(0)
    await loseLeases()
  }
  const done = await client.final(job.id, 60)
  t.match(done, { state: 'failed', pods: { items: [{ error: { code: 'EPH_CHANNEL_LOST', message: /3 workers were lost with it/ } }] } })
  t.equal(runsOf(done).length, 3)
  const { job: other } = await launch('quick')
  t.equal((await client.final(other.id, 60)).state, 'succeeded')
})

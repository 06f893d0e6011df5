import t, { type Test } from 'tap'
import { Problem } from '#core/errors.ts'
import { drive, lookup } from '../support/drive.ts'
import { caller } from '../support/fake-ports.ts'
import { until } from '../support/until.ts'

/** A worker that stands still for a minute when the row of its first run stands and the tool has not been sent. */
function freezing (t: Test, meanwhile: (engine: ReturnType<typeof drive>, jobId: string) => void) {
  const engine = drive(t, { diagnostics: [lookup({ retrySafe: false })], works: false })
  const { context, database } = engine
  const frozen = { ms: 0 }
  context.now = () => performance.now() + frozen.ms
  const { start } = database.database.runs
  context.database.runs.start = async draft => {
    await start(draft)
    if (frozen.ms > 0) return
    frozen.ms = 60_000
    meanwhile(engine, draft.jobId)
  }
  return engine
}

t.test('a process that stood still for longer than its lease sends no tool that another attempt may have sent', async t => {
  const { worker, launch, channels, database, useCases } = freezing(t, ({ database }, jobId) => { database.jobs.steal(jobId) })
  const { id } = await launch()
  await worker.start()
  await until(() => [...database.runs.values()].some(({ run }) => run.endedAt !== null))
  t.same(channels.requests, [])
  t.match([...database.runs.values()][0]!.run, { startedAt: null, endCause: null })
  t.match(await useCases.job(caller, id), { state: 'running', pods: { items: [{ error: null }] } })
})

t.test('it goes on where the database says that the claim is still its own', async t => {
  const { worker, launch, final, channels } = freezing(t, () => {})
  const { id } = await launch()
  await worker.start()
  t.match(await final(id), { state: 'succeeded', pod: { runs: [{ completeness: { state: 'complete' } }] } })
  t.equal(channels.requests.length, 1)
})

t.test('it waits for a database that does not answer, and sends nothing meanwhile', async t => {
  const { worker, launch, final, channels, context, database } = freezing(t, () => {})
  const { renew } = database.database.jobs
  let unanswered = 2
  context.database.jobs.renew = async claim => {
    if (channels.requests.length === 0 && unanswered-- > 0) throw new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot reach the database')
    return await renew(claim)
  }
  const { id } = await launch()
  await worker.start()
  t.equal((await final(id)).state, 'succeeded')
  t.ok(unanswered <= 0, 'it asked until there was an answer')
})

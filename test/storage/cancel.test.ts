import t, { type Test } from 'tap'
import type { Claim } from '#core/ports/storage.ts'
import { cancelledError } from '../../src/storage/decide-job.ts'
import { checkEvents } from '../support/check-events.ts'
import { draftJob, draftPod, measured } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const { openDatabase } = await startPostgres(t)
const limits = { caller: 10_000, namespace: 10_000, node: 10_000 }
const cancelled = { state: 'cancelled' as const, verdict: null, error: cancelledError, report: null, findings: [] }

async function open (t: Test, url?: string) {
  const database = await openDatabase(t, { limits, url })
  const { jobs } = database
  async function launch (pods = 1, count = 1): Promise<string[]> {
    const drafts = Array.from({ length: count }, () => draftJob({ pods: Array.from({ length: pods }, () => draftPod()) }))
    await Promise.all(drafts.map(draft => jobs.create(draft)))
    return drafts.map(({ id }) => id)
  }
  return { ...database, launch }
}

/** In any order, so that each of them comes first in some of the rounds. */
const shuffle = <T>(works: (() => Promise<T>)[]): Promise<T[]> =>
  Promise.all(works.map(work => ({ work, place: Math.random() })).sort((a, b) => a.place - b.place).map(({ work }) => work()))

t.test('cancel ends a job that waits at once', async t => {
  const { jobs, launch } = await open(t)
  const [id] = await launch(2)
  const job = await jobs.cancel(id!)
  t.match(job, { state: 'cancelled', verdict: null, error: { code: 'EPH_CANCELLED' }, startedAt: null, finishedAt: String })
  t.strictSame(job?.pods.items.map(({ state, error }) => [state, error?.code]), [['cancelled', 'EPH_CANCELLED'], ['cancelled', 'EPH_CANCELLED']])
  await checkEvents(t, jobs, id!, 'cancelled')
  t.strictSame(await jobs.claim('w', 5), [])
})

t.test('cancel leaves running pods to their worker, and ends those that wait', async t => {
  const { jobs, launch } = await open(t)
  const [id] = await launch(3)
  const [claim] = await jobs.claim('w', 1)
  t.match(await jobs.cancel(id!), { state: 'running', finishedAt: null })
  const { items } = await jobs.pods(id!, { limit: 5, after: null })
  t.strictSame(items.map(({ state }) => state).sort(), ['cancelled', 'cancelled', 'running'])
  t.equal(await jobs.finish(claim!, cancelled), true)
  t.match(await jobs.find(id!), { state: 'cancelled', error: { code: 'EPH_CANCELLED' } })
  await checkEvents(t, jobs, id!, 'cancelled')
})

t.test('a job whose cancellation was accepted is cancelled although its pod was measured', async t => {
  const { jobs, launch } = await open(t)
  for (const pods of [1, 2]) {
    const [id] = await launch(pods)
    const claims = await jobs.claim('w', pods)
    await jobs.cancel(id!)
    for (const claim of claims) t.equal(await jobs.finish(claim, measured()), true)
    t.match(await jobs.find(id!), { state: 'cancelled', verdict: null, pods: { items: [{ state: 'succeeded', verdict: 'pass' }] } })
    await checkEvents(t, jobs, id!, 'cancelled')
  }
})

t.test('cancel and askFinish leave a final job as it is', async t => {
  const { jobs, launch } = await open(t)
  const [id] = await launch()
  const [claim] = await jobs.claim('w', 1)
  await jobs.finish(claim!, measured())
  const before = await jobs.find(id!)
  t.strictSame([await jobs.cancel(id!), await jobs.askFinish(id!)], [before, before])
  await checkEvents(t, jobs, id!, 'succeeded')
})

t.test('cancel ends a pod that goes back to the queue while it waits for the job', async t => {
  const { jobs, launch, url } = await open(t)
  const [id] = await launch()
  await jobs.claim('w', 1)
  const db = await connect(t, url)
  // As requeue() does, by hand, so that it can be held in the middle.
  await db.query('BEGIN')
  await db.query('UPDATE job_pod SET state = \'queued\', claimed_by = NULL, lease_until = NULL WHERE job_id = $1', [id])
  await db.query('SELECT FROM job WHERE id = $1 FOR NO KEY UPDATE', [id])
  const asked = jobs.cancel(id!)
  const look = await connect(t, url)
  await until(async () => (await look.query('SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = \'Lock\'')).rowCount)
  await db.query('COMMIT')
  t.match(await asked, { state: 'cancelled' })
})

t.test('of cancel and finish at the same time one decides, and nothing waits for ever', async t => {
  const { jobs, launch, url } = await open(t)
  const other = await open(t, url)
  const states = new Set<string>()
  for (const [pods, count] of [[1, 100], [3, 40]] as const) {
    const ids = await launch(pods, count)
    const claims = await jobs.claim('w', pods * count)
    t.equal(claims.length, pods * count)
    await shuffle<unknown>([
      ...claims.map(claim => async () => { t.equal(await jobs.finish(claim, measured()), true) }),
      ...ids.map(id => () => other.jobs.cancel(id)),
      ...ids.map(id => () => jobs.cancel(id))
    ])
    for (const id of ids) {
      const { state } = (await jobs.find(id))!
      states.add(state)
      await checkEvents(t, jobs, id, state)
    }
  }
  t.strictSame([...states].sort(), ['cancelled', 'succeeded'])
})

t.test('no pod of a cancelled job stays in the queue, whatever else happens to it', async t => {
  const { jobs, launch, url } = await open(t)
  const other = await open(t, url)
  for (let round = 0; round < 5; round++) {
    const ids = await launch(2, 20)
    const first = await jobs.claim('w', 20)
    const more: Claim[] = []
    await shuffle<unknown>([
      ...first.map(claim => () => jobs.requeue(claim, 'The channel was lost')),
      ...ids.map(id => () => other.jobs.cancel(id)),
      ...Array.from({ length: 5 }, () => async () => { more.push(...await other.jobs.claim('v', 5)) })
    ])
    for (const claim of more) {
      const { held, cancel } = await jobs.renew(claim)
      if (held) t.equal(cancel, true)
      if (held) await jobs.finish(claim, cancelled)
    }
    for (const id of ids) {
      t.match(await jobs.find(id), { state: 'cancelled' })
      await checkEvents(t, jobs, id, 'cancelled')
    }
  }
})

t.test('everything at the same time ends every job once', async t => {
  const { jobs, launch, url } = await open(t)
  const other = await open(t, url)
  const ids = [...await launch(1, 60), ...await launch(4, 20)]
  const left = new Set(ids)
  const work = async ({ jobs }: { jobs: typeof other.jobs }, worker: string) => {
    while (left.size > 0) {
      const claims = await jobs.claim(worker, 8)
      if (claims.length === 0) for (const id of left) if ((await jobs.find(id))?.finishedAt) left.delete(id)
      await Promise.all(claims.map(async claim => {
        await jobs.appendEvent(claim.jobId, 'packet', {})
        if (Math.random() < 0.2 && await jobs.requeue(claim, 'again')) return
        t.equal(await jobs.finish(claim, measured()), true)
      }))
      await jobs.sweep()
    }
  }
  await Promise.all([
    ...['w-1', 'w-2'].map(worker => work({ jobs }, worker)),
    ...['w-3', 'w-4'].map(worker => work(other, worker)),
    ...ids.filter(() => Math.random() < 0.4).map(id => other.jobs.cancel(id))
  ])
  for (const id of ids) await checkEvents(t, jobs, id, (await jobs.find(id))!.state)
})

import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Claim, JobDraft } from '#core/ports/storage.ts'
import { draftJob, draftPod, measured } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { until } from '../support/until.ts'

const { openDatabase } = await startPostgres(t)

type Options = Parameters<typeof openDatabase>[1]
interface Place { namespace?: string, node?: string | null }

const draft = (username: string, { namespace = 'shop', node = null }: Place = {}, rest: Partial<JobDraft> = {}) =>
  draftJob({ username, pods: [draftPod({ namespace, node })], ...rest })

/** A database of its own, with wide limits unless told otherwise. */
async function open (t: Test, { limits, ...options }: NonNullable<Options> = {}) {
  const database = await openDatabase(t, { limits: { caller: 10_000, namespace: 10_000, node: 10_000, ...limits }, ...options })
  const { jobs } = database
  const add = async (...args: Parameters<typeof draft>) => (await jobs.create(draft(...args))).job.id
  const claim = async (want: number, worker = 'w') => jobs.claim(worker, want)
  const claimIds = async (want: number) => (await claim(want)).map(({ jobId }) => jobId)
  const end = (claim: Claim) => jobs.finish(claim, measured())
  return { ...database, add, claim, claimIds, end }
}

t.test('a claim says all that a worker needs, and starts the job', async t => {
  const { jobs, add, claim } = await open(t)
  const id = await add('ada', { namespace: 'shop', node: 'n-1' })
  const [claimed, ...others] = await claim(5, 'worker-1')
  t.strictSame(others, [])
  t.match(claimed, {
    jobId: id,
    attempt: 1,
    worker: 'worker-1',
    diagnostic: 'dns-lookup',
    params: { names: ['orders.shop'] },
    principal: { username: 'ada', extra: { scopes: ['all'] } },
    image: 'toolbox',
    timeoutSeconds: 30,
    namespace: 'shop',
    pod: 'web',
    targetContainer: 'app',
    cancelAsked: false
  })
  const job = await jobs.find(id)
  t.match(job, { state: 'running', startedAt: String, finishedAt: null })
  t.ok(job!.startedAt! >= job!.createdAt)
  t.match(await jobs.events(id, 2, 10), [{ type: 'job', data: { state: 'running' } }, { type: 'pod', data: { state: 'running', attempt: 1 } }])
  t.strictSame(await claim(5), [], 'nothing is claimed twice')
})

t.test('who runs least goes first, then the higher priority, then the older', async t => {
  const { add, claim, claimIds, end } = await open(t)
  const flood = []
  for (let nth = 0; nth < 5; nth++) flood.push(await add('flood'))
  const late = await add('ada', {}, { priority: 'automatic' })
  const urgent = await add('ada')
  const bob = await add('bob', {}, { priority: 'automatic' })
  t.strictSame(await claimIds(4), [flood[0], urgent, bob, flood[1]], 'everybody\'s first before anybody\'s second')
  t.strictSame(await claimIds(1), [late], 'ada runs one, flood two')
  const zoe = await add('zoe', {}, { priority: 'automatic' })
  t.strictSame(await claimIds(1), [zoe])
  const [third, ...rest] = await claim(3)
  t.strictSame([third!.jobId, ...rest.map(({ jobId }) => jobId)], flood.slice(2))
  await end(third!)
  t.strictSame(await claimIds(1), [])
})

t.test('limits hold for each caller, namespace and node, and let the others pass', async t => {
  const { add, claim, end, claimIds } = await open(t, { limits: { caller: 2, namespace: 3, node: 2 } })
  for (let nth = 0; nth < 4; nth++) await add('ada', { namespace: `a-${nth}` })
  t.equal((await claim(10)).length, 2, 'caller')
  for (let nth = 0; nth < 5; nth++) await add(`b-${nth}`, { namespace: 'busy' })
  const inBusy = await claim(10)
  t.equal(inBusy.length, 3, 'namespace')
  for (let nth = 0; nth < 5; nth++) await add(`c-${nth}`, { namespace: `c-${nth}`, node: 'full' })
  const onFull = await claim(10)
  t.equal(onFull.length, 2, 'node')
  const elsewhere = await add('d', { namespace: 'quiet', node: 'other' })
  t.strictSame(await claimIds(10), [elsewhere])

  await end(inBusy[0]!)
  t.match(await claim(10), [{ namespace: 'busy' }])
  await end(onFull[0]!)
  t.equal((await claim(10)).length, 1)
})

t.test('pods without a node are not counted as one', async t => {
  const { add, claim } = await open(t, { limits: { node: 1 } })
  for (let nth = 0; nth < 4; nth++) await add('ada')
  t.equal((await claim(10)).length, 4)
})

t.test('limits are exact when many claim at once', async t => {
  const { add, claim, url } = await open(t, { limits: { node: 8 } })
  const other = await open(t, { limits: { node: 8 }, url })
  await Promise.all(Array.from({ length: 30 }, (_, nth) => add(`p-${nth}`, { node: 'n-9', namespace: `y-${nth}` })))
  const all = await Promise.all(Array.from({ length: 40 }, (_, nth) => (nth % 2 ? claim : other.claim)(1 + nth % 3, `w-${nth}`)))
  t.equal(all.flat().length, 8)
  t.equal(new Set(all.flat().map(({ jobPodId }) => jobPodId)).size, 8)
})

t.test('8 workers in 2 processes claim 1,000 pods, none twice', async t => {
  const { jobs, claim, url } = await open(t)
  const other = await open(t, { url })
  const pods = (nth: number) => Array.from({ length: 25 }, (_, pod) => draftPod({ name: `web-${nth}-${pod}`, namespace: `n-${nth % 7}` }))
  await Promise.all(Array.from({ length: 40 }, (_, nth) => jobs.create(draftJob({ username: `u-${nth % 5}`, pods: pods(nth) }))))
  const claimed: Claim[] = []
  await Promise.all(Array.from({ length: 8 }, async (_, nth) => {
    const from = nth % 2 ? claim : other.claim
    for (let more = await from(7, `w-${nth}`); more.length > 0; more = await from(7, `w-${nth}`)) claimed.push(...more)
  }))
  t.equal(claimed.length, 1000)
  t.equal(new Set(claimed.map(({ jobPodId }) => jobPodId)).size, 1000)
  t.ok(claimed.every(({ attempt }) => attempt === 1))
})

t.test('a claim reads a few rows of a long queue, although its plan was made when the queue was short', async t => {
  const { jobs, add, url } = await open(t)
  const db = await connect(t, url)
  const claim = () => db.query('SELECT claim_pods(\'w\', 2, 30, 10000, 10000, 10000, 1)')
  await add('ada')
  await db.query('VACUUM ANALYZE')
  await claim()
  const pods = () => Array.from({ length: 50 }, () => draftPod())
  await Promise.all(Array.from({ length: 40 }, () => jobs.create(draftJob({ username: 'flood', pods: pods() }))))
  await add('bob')
  await db.query('BEGIN')
  t.equal((await claim()).rowCount, 2)
  const { rows: [{ read }] } = await db.query(
    'SELECT (seq_tup_read + idx_tup_fetch)::integer AS read FROM pg_stat_xact_user_tables WHERE relname = \'job_pod\'')
  t.ok(read < 100, `${read} rows were read`)
  await db.query('ROLLBACK')
})

t.test('one capture at a time in a pod: the next waits its turn, and holds up nobody else', async t => {
  const { jobs, add, claim, claimIds, end, url } = await open(t)
  const other = await open(t, { url })
  const uid = randomUUID()
  const capture = async (username: string, rest: Partial<JobDraft> = {}) =>
    (await jobs.create(draftJob({ username, captures: true, pods: [draftPod({ uid })], ...rest }))).job.id
  const [first, second, third] = [await capture('ada'), await capture('ada'), await capture('bob')]
  const [elsewhere, lookup] = [await capture('ada', { pods: [draftPod()] }), await add('ada')]
  const claims = (await Promise.all([claim(10, 'w-1'), other.claim(10, 'w-2')])).flat()
  const [running] = claims.filter(({ podUid }) => podUid === uid)
  t.strictSame(claims.map(({ jobId }) => jobId).sort(), [running!.jobId, elsewhere, lookup].sort(), 'one of three, and all others')
  t.equal(running!.jobId, first)
  t.match(await jobs.find(second), { state: 'queued', startedAt: null })
  await jobs.cancel(second)
  t.match(await jobs.find(second), { state: 'cancelled' }, 'while it waits')
  t.strictSame(await claimIds(10), [])
  await end(running!)
  t.strictSame(await claimIds(10), [third])
})

t.test('how many captures a pod takes is a setting, and older versions hold to one', async t => {
  const { jobs, claim, url } = await open(t, { limits: { captures: 2 } })
  const db = await connect(t, url)
  const uid = randomUUID()
  for (let nth = 0; nth < 4; nth++) await jobs.create(draftJob({ username: `u-${nth}`, captures: true, pods: [draftPod({ uid })] }))
  await db.query('BEGIN')
  t.equal((await db.query('SELECT claim_job_pods(\'w\', 9, 30, 10, 20, 20)')).rowCount, 1)
  await db.query('ROLLBACK')
  t.equal((await claim(10)).length, 2)
})

t.test('while one caller floods with 1,000 jobs, another\'s waits for 8 of them at the most', async t => {
  const limits = { caller: 10, namespace: 20, node: 20 }
  const first = await open(t, { limits })
  const workers = [first, await open(t, { limits, url: first.url })]
  const db = await connect(t, first.url)
  await db.query(`
    CREATE TABLE ledger (nth bigserial, what text, job uuid, who text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO ledger (what, job, who) VALUES ('dispatched', NEW.job_id, NEW.requested_by);
      RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER UPDATE OF state ON job_pod FOR EACH ROW WHEN (NEW.state = 'running') EXECUTE FUNCTION note()`)
  const flood = Array.from({ length: 1000 }, (_, nth) => () => workers[nth % 2]!.add('flood', { namespace: `n-${nth % 7}` }))
  for (let some = flood.splice(0, 20); some.length > 0; some = flood.splice(0, 20)) await Promise.all(some.map(add => add()))

  const over = new AbortController()
  const work = workers.map(async ({ claim, end }, nth) => {
    const open = new Set<Promise<unknown>>()
    while (!over.signal.aborted) {
      for (const claimed of await claim(10, `w-${nth}`)) {
        const ended = end(claimed).finally(() => open.delete(ended))
        open.add(ended)
      }
      await Promise.race([...open, delay(20)])
    }
    await Promise.all(open)
  })
  const submitted: string[] = []
  for (let nth = 0; nth < 20; nth++) {
    const id = await workers[nth % 2]!.add('ada', { namespace: 'quiet' }, { priority: nth % 2 ? 'interactive' : 'automatic' })
    await db.query('INSERT INTO ledger (what, job) VALUES (\'submitted\', $1)', [id])
    await until(async () => (await db.query('SELECT FROM ledger WHERE job = $1 AND what = \'dispatched\'', [id])).rowCount)
    submitted.push(id)
  }
  over.abort()
  await Promise.all(work)
  const { rows } = await db.query<{ between: number }>(`
    SELECT (SELECT count(*)::integer FROM ledger f WHERE f.who = 'flood' AND f.nth > s.nth AND f.nth < d.nth) AS between
    FROM ledger s JOIN ledger d ON d.job = s.job AND d.what = 'dispatched' WHERE s.what = 'submitted'`)
  t.equal(rows.length, submitted.length)
  t.strictSame(rows.filter(({ between }) => between > 8), [])
  const left = await db.query<{ waiting: number }>("SELECT count(*)::integer AS waiting FROM job_pod WHERE state = 'queued'")
  t.ok(left.rows[0]!.waiting > 0, 'the flood was not over before')
})

t.test('an interactive job goes before 200 automatic ones of its caller', async t => {
  const { jobs, add, claimIds } = await open(t)
  await jobs.create(draftJob({ priority: 'automatic', pods: Array.from({ length: 200 }, () => draftPod()) }))
  const urgent = await add('ada')
  t.equal((await claimIds(1))[0], urgent)
})

t.test('a pod that somebody has locked holds up nobody', async t => {
  const { add, claimIds, url } = await open(t)
  const [head, next] = [await add('ada'), await add('ada')]
  const db = await connect(t, url)
  await db.query('BEGIN')
  await db.query('SELECT FROM job_pod WHERE job_id = $1 FOR UPDATE', [head])
  t.strictSame(await claimIds(1), [next])
  await db.query('ROLLBACK')
  t.strictSame(await claimIds(1), [head])
})

t.test('a pod that has waited too long is not claimed', async t => {
  const { add, claimIds, url } = await open(t)
  const [late, inTime] = [await add('ada', {}, { startWithinSeconds: 1 }), await add('ada')]
  const db = await connect(t, url)
  await db.query('UPDATE job_pod SET expires_at = clock_timestamp() WHERE job_id = $1', [late])
  t.strictSame(await claimIds(5), [inTime])
})

t.test('the wake-up of a job is done with once somebody has claimed it, or the sweep has seen it', async t => {
  const { jobs, add, claim, url } = await open(t)
  const [claimed, waiting] = [await add('ada'), await add('ada')]
  const db = await connect(t, url)
  const owed = async () => (await db.query('SELECT job_id FROM outbox WHERE relayed_at IS NULL ORDER BY 1')).rows.map(row => row.job_id)
  t.strictSame(await owed(), [claimed, waiting])
  await claim(1)
  await jobs.sweep()
  t.strictSame(await owed(), [waiting])
  await db.query('UPDATE outbox SET created_at = created_at - interval \'2 seconds\'')
  await jobs.sweep()
  t.strictSame(await owed(), [])
})

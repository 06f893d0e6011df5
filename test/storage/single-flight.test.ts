import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Value } from 'typebox/value'
import { v7 as uuidv7 } from 'uuid'
import { Job } from '#core/job.ts'
import type { Claim, PodResult } from '#core/ports/storage.ts'
import { jobError } from '../../src/storage/decide-job.ts'
import { checkEvents } from '../support/check-events.ts'
import { startedRun } from '../support/claimed-run.ts'
import { draftJob, draftPod, failed, findingOf, measured, principalOf, refusal } from '../support/job-drafts.ts'
import { connect, startPostgres } from '../support/postgres.ts'

const { openDatabase } = await startPostgres(t)
const database = await openDatabase(t)
const db = await connect(t, database.url)

type Rest = Parameters<typeof draftJob>[0]

/** Jobs that ask the same of the same pod, in an empty database. */
async function open () {
  for (const table of ['job', 'outbox', 'job_event', 'audit_event', 'run_output']) await db.query(`DELETE FROM ${table}`)
  const { jobs, runs } = database
  const uid = randomUUID()
  const same = () => [draftPod({ uid })]
  const launch = async (rest: Rest = {}) => (await jobs.create(draftJob({ pods: same(), ...rest }))).job
  const share = (rest: Rest = {}) => launch({ sharing: { maxAgeSeconds: 60, ownOnly: false }, ...rest })
  const claimOne = async () => (await jobs.claim('w', 1))[0]!
  /** A run that said something, and its end. */
  async function measure (claim: Claim, result: PodResult = measured(findingOf('DNS_SLOW', 'warning'))) {
    const { id, jobId } = await startedRun(database, claim)
    await runs.append({ id, jobId }, 'stdout', 0, Buffer.from('answer\n'))
    await runs.end({ id, result: { exitCode: 0, signal: null, endCause: 'exited', durationMs: 5, completeness: { state: 'complete', reason: null }, streams: [] }, agoMs: 0 })
    await jobs.finish(claim, result)
    return id
  }
  return { ...database, launch, share, claimOne, measure, db, same }
}

const stateOf = ({ state, deduplicatedFrom }: Job) => [state, deduplicatedFrom]

t.test('a job that shares a result under way begins and ends with it, and shows all of it', async t => {
  const { jobs, runs, launch, share, claimOne, measure } = await open()
  const source = await launch({ username: 'ada' })
  const follower = await share({ username: 'bob', reason: 'INC-2', labels: { alert: 'x' } })
  t.strictSame(stateOf(follower), ['queued', source.id])
  t.strictSame([...Value.Errors(Job, follower)], [])
  t.match(follower, { requestedBy: { username: 'bob' }, reason: 'INC-2', labels: { alert: 'x' } })
  const claim = await claimOne()
  t.equal(claim.jobId, source.id)
  t.match(await jobs.find(follower.id), { state: 'running', startedAt: String, pods: { items: [{ state: 'running' }] } })
  t.strictSame(await jobs.claim('w', 5), [], 'nobody claims the follower')
  const runId = await measure(claim)

  const [first, second] = [await jobs.find(source.id), await jobs.find(follower.id)]
  t.match(second, { state: 'succeeded', verdict: 'warn', error: null, findings: first!.findings, finishedAt: String, podCounts: first!.podCounts })
  const [one, other] = [first!.pods.items[0]!, second!.pods.items[0]!]
  t.match(other, { state: 'succeeded', verdict: 'warn', report: one.report, runs: one.runs })
  t.strictSame(other.runs.map(run => [run.id, run.jobId]), [[runId, source.id]])
  t.match(await runs.list({ namespaces: null, jobId: [follower.id] }, { limit: 10, after: null }), { items: [{ id: runId }] })

  const events = await checkEvents(t, jobs, follower.id, 'succeeded')
  t.strictSame(events.map(({ type, data }) => `${type} ${data.state ?? data.phase ?? data.code ?? data.stream}`), [
    'job queued', 'pod queued', 'job running', 'pod running', 'run started', 'output stdout', 'run ended', 'finding DNS_SLOW', 'pod succeeded',
    'job succeeded', 'end succeeded'])
  const { data: { jobPodId } } = events.find(({ type }) => type === 'run')!
  t.equal(jobPodId, events[1]!.data.id, 'its own pod')
  t.equal(events.find(({ type }) => type === 'output')!.data.jobId, source.id, 'where the text is')
  t.match(await jobs.list({ namespaces: null, finding: ['DNS_SLOW'] }, { limit: 10, after: null }), { items: [{ id: follower.id }, { id: source.id }] })
  t.match(await jobs.list({ namespaces: null, q: 'dns_slow' }, { limit: 10, after: null }), { items: { length: 2 } })
})

t.test('a job that shares a fresh result has ended when it is launched', async t => {
  const { jobs, launch, share, claimOne, measure, db } = await open()
  const source = await launch()
  await measure(await claimOne())
  const answered = await share({ username: 'bob' })
  t.match(answered, { state: 'succeeded', verdict: 'warn', deduplicatedFrom: source.id, startedAt: String, finishedAt: String })
  t.strictSame([...Value.Errors(Job, answered)], [])
  await checkEvents(t, jobs, answered.id, 'succeeded')
  t.equal((await db.query('SELECT FROM outbox WHERE job_id = $1', [answered.id])).rowCount, 0)
  const { rows: [audit] } = await db.query('SELECT detail FROM audit_event WHERE object = $1', [`job ${answered.id}`])
  t.equal(audit.detail.deduplicatedFrom, source.id)

  await db.query('UPDATE job SET finished_at = finished_at - interval \'61 seconds\' WHERE id = $1', [source.id])
  t.strictSame(stateOf(await share()), ['queued', null], 'too old; what only shared it is no source')
})

t.test('what is not the same is measured', async t => {
  const { launch, share, claimOne, measure, same } = await open()
  await launch({ params: { names: ['a', 'b'], types: ['A'] } })
  const others: Record<string, Rest> = {
    diagnostic: { diagnostic: 'ping' },
    version: { diagnosticVersion: '2' },
    parameters: { params: { names: ['b', 'a'], types: ['A'] } },
    image: { image: 'netshoot' },
    pod: { pods: [draftPod()] },
    'one more pod': { pods: [...same(), draftPod()] },
    'target container': { pods: same().map(pod => ({ ...pod, targetContainer: 'sidecar' })) },
    'a refused pod': { pods: same().map(pod => ({ ...pod, error: refusal })) }
  }
  for (const [what, rest] of Object.entries(others)) t.equal((await share({ params: { names: ['a', 'b'], types: ['A'] }, ...rest })).deduplicatedFrom, null, what)
  t.not((await share({ params: { types: ['A'], names: ['a', 'b'] } })).deduplicatedFrom, null, 'keys in another order are the same')
  await measure(await claimOne())
})

t.test('what was cancelled, ended early, failed or was cut is no source', async t => {
  const { jobs, launch, share, claimOne, measure } = await open()
  for (const [n, ask] of [jobs.cancel, jobs.askFinish].entries()) {
    const { id } = await launch({ params: { n } })
    await claimOne()
    await ask(id)
    t.equal((await share({ params: { n } })).deduplicatedFrom, null)
    await claimOne()
  }
  await launch({ params: { a: 1 } })
  const cut = { ...measured(), error: jobError('EPH_OUTPUT_LIMIT', 'Cannot read it') }
  await measure(await claimOne(), failed)
  t.equal((await share({ params: { a: 1 } })).deduplicatedFrom, null)
  await measure(await claimOne(), cut)
  t.equal((await share({ params: { a: 1 } })).deduplicatedFrom, null)
})

t.test('who may not read the jobs of others shares only his own', async t => {
  const { launch, share } = await open()
  await launch({ username: 'ada' })
  const own = { maxAgeSeconds: 60, ownOnly: true }
  t.equal((await share({ username: 'bob', sharing: own })).deduplicatedFrom, null)
  t.equal((await share({ principal: principalOf('ada', 'portal'), sharing: own })).deduplicatedFrom, null, 'a portal for ada is another caller')
  t.not((await share({ username: 'ada', sharing: own })).deduplicatedFrom, null)
  t.not((await share({ username: 'eve' })).deduplicatedFrom, null)
})

t.test('50 equal launches at once, from two processes, are measured once', async t => {
  const { jobs, share, claimOne, measure, db, url, same } = await open()
  const other = await openDatabase(t, { url })
  const launched = await Promise.all(Array.from({ length: 50 }, async (_, nth) => nth % 2
    ? await share({ username: `u-${nth % 5}` })
    : (await other.jobs.create(draftJob({ username: `u-${nth % 5}`, pods: same(), sharing: { maxAgeSeconds: 60, ownOnly: false } }))).job))
  t.equal(new Set(launched.map(({ id }) => id)).size, 50)
  t.equal(launched.filter(job => job.deduplicatedFrom === null).length, 1)
  await measure(await claimOne())
  t.strictSame(await jobs.claim('w', 50), [])
  t.strictSame((await db.query('SELECT state, count(*)::integer FROM job GROUP BY 1')).rows, [{ state: 'succeeded', count: 50 }])
  t.equal((await db.query('SELECT FROM run')).rowCount, 1)
  t.equal((await db.query('SELECT FROM job_follower')).rowCount, 0)
})

t.test('where the source gives no whole result, the oldest follower is measured by itself, and the others follow that', async t => {
  const { jobs, launch, share, claimOne, measure, db } = await open()
  const source = await launch()
  const [first, second, third] = [await share(), await share(), await share({ username: 'bob', sharing: { maxAgeSeconds: 60, ownOnly: true } })]
  t.equal(third.deduplicatedFrom, null, 'bob waits for himself')
  await jobs.cancel(third.id)
  await measure(await claimOne(), failed)
  t.match(await jobs.find(source.id), { state: 'failed' })
  t.strictSame(stateOf((await jobs.find(first.id))!), ['queued', null])
  t.strictSame(stateOf((await jobs.find(second.id))!), ['running', first.id])
  t.match(await db.query('SELECT job_id FROM outbox WHERE relayed_at IS NULL AND job_id = $1', [first.id]), { rowCount: 1 })
  const claim = await claimOne()
  t.equal(claim.jobId, first.id)
  await measure(claim)
  for (const id of [first.id, second.id]) {
    t.match(await jobs.find(id), { state: 'succeeded', verdict: 'warn' })
    await checkEvents(t, jobs, id, 'succeeded')
  }
  t.equal((await db.query('SELECT FROM job_follower')).rowCount, 0)
})

t.test('the end of the source by other hands is none of its followers', async t => {
  const { jobs, launch, share, claimOne, db } = await open()
  const ends: [string, (id: string) => Promise<unknown>][] = [
    ['cancelled', id => jobs.cancel(id)],
    ['expired', async id => {
      await db.query('UPDATE job_pod SET expires_at = now() WHERE job_id = $1', [id])
      await jobs.sweep()
    }]
  ]
  for (const [state, end] of ends) {
    const source = await launch({ params: { state } })
    const follower = await share({ params: { state }, startWithinSeconds: 3600 })
    t.equal(follower.deduplicatedFrom, source.id)
    await end(source.id)
    t.match(await jobs.find(source.id), { state })
    t.strictSame(stateOf((await jobs.find(follower.id))!), ['queued', null])
    t.equal((await claimOne()).jobId, follower.id)
  }
})

t.test('cancelling a follower ends it alone, whether its source waits or runs', async t => {
  const { jobs, launch, share, claimOne, measure } = await open()
  const source = await launch()
  const [early, late, last] = [await share(), await share(), await share()]
  t.match(await jobs.cancel(early.id), { state: 'cancelled', error: { code: 'EPH_CANCELLED' } })
  const claim = await claimOne()
  t.match(await jobs.cancel(late.id), { state: 'cancelled', pods: { items: [{ state: 'cancelled' }] } })
  t.match(await jobs.renew(claim), { held: true, cancel: false })
  await measure(claim)
  t.match(await jobs.find(source.id), { state: 'succeeded' })
  t.match(await jobs.find(last.id), { state: 'succeeded' })
  for (const { id } of [early, late]) await checkEvents(t, jobs, id, 'cancelled')
})

t.test('a follower expires while its source waits, and no more once that runs', async t => {
  const { jobs, launch, share, claimOne, measure, db } = await open()
  await launch()
  const [early, late] = [await share(), await share()]
  await db.query('UPDATE job_pod SET expires_at = now() WHERE job_id = $1', [early.id])
  await jobs.sweep()
  t.match(await jobs.find(early.id), { state: 'expired', error: { code: 'EPH_EXPIRED' } })
  const claim = await claimOne()
  await db.query('UPDATE job_pod SET expires_at = now() - interval \'1 minute\' WHERE job_id = $1', [late.id])
  await jobs.sweep()
  t.match(await jobs.find(late.id), { state: 'running' })
  await measure(claim, failed)
  await jobs.sweep()
  t.match(await jobs.find(late.id), { state: 'queued' }, 'its time to start begins anew')
})

t.test('a lost worker of the source costs its followers nothing', async t => {
  const { jobs, runs, launch, share, claimOne, measure, db } = await open()
  const source = await launch()
  const follower = await share()
  const lost = await claimOne()
  await startedRun({ jobs, runs }, lost)
  await db.query('UPDATE job_pod SET lease_until = now() WHERE job_id = $1', [source.id])
  t.equal(await jobs.sweep(), 1)
  t.match(await jobs.find(follower.id), { state: 'running', deduplicatedFrom: source.id })
  await measure(await claimOne())
  t.match(await jobs.find(follower.id), { state: 'succeeded' })
  await checkEvents(t, jobs, follower.id, 'succeeded')
})

t.test('the sweep settles those whose source is gone, or ended past all functions', async t => {
  const { jobs, launch, share, claimOne, db } = await open()
  const [gone, ended] = [await launch({ params: { n: 1 } }), await launch({ params: { n: 2 } })]
  const [first, second] = [await share({ params: { n: 1 } }), await share({ params: { n: 2 } })]
  await db.query('DELETE FROM job WHERE id = $1', [gone.id])
  await db.query("UPDATE job_pod SET state = 'failed', finished_at = now() WHERE job_id = $1", [ended.id])
  await db.query("UPDATE job SET state = 'failed', finished_at = now() WHERE id = $1", [ended.id])
  await jobs.sweep()
  for (const { id } of [first, second]) t.strictSame(stateOf((await jobs.find(id))!), ['queued', null])
  t.strictSame([(await claimOne()).jobId, (await claimOne()).jobId].sort(), [first.id, second.id].sort())
})

t.test('pods that were refused at the launch stay refused, and one that failed later lets the job be measured itself', async t => {
  const { jobs, measure } = await open()
  const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()]
  const pods = () => [draftPod({ uid: a, name: 'web-a' }), draftPod({ uid: b, name: 'web-b' }), draftPod({ uid: c, name: 'web-c' }, refusal)]
  const create = async (rest: Rest = {}) => (await jobs.create(draftJob({ pods: pods(), ...rest }))).job
  const sharing = { maxAgeSeconds: 60, ownOnly: false }
  await create()
  const follower = await create({ sharing })
  t.not(follower.deduplicatedFrom, null)
  for (const claim of await jobs.claim('w', 5)) await measure(claim, measured(...claim.pod === 'web-a' ? [findingOf('DNS_NXDOMAIN', 'error', 'web-a')] : []))
  t.match(await jobs.find(follower.id), { state: 'succeeded', verdict: 'fail', podCounts: { fail: 1, pass: 1, notMeasured: 1 }, findings: [{ code: 'PODS_DISAGREE' }, { code: 'DNS_NXDOMAIN' }] })
  await checkEvents(t, jobs, follower.id, 'succeeded')

  await create({ params: { n: 2 } })
  const second = await create({ params: { n: 2 }, sharing })
  for (const claim of await jobs.claim('w', 5)) await measure(claim, claim.pod === 'web-a' ? failed : measured())
  t.strictSame(stateOf((await jobs.find(second.id))!), ['queued', null])
  t.equal((await jobs.claim('w', 5)).length, 2)
})

t.test('a source that waits is reached as soon as the one of its followers who would be first', async t => {
  const { jobs, launch, share, claimOne } = await open()
  for (let nth = 0; nth < 30; nth++) await launch({ username: 'flood', priority: 'automatic', params: { nth } })
  const source = await launch({ username: 'flood', priority: 'automatic' })
  const follower = await share({ username: 'ada' })
  t.equal(follower.deduplicatedFrom, source.id)
  t.strictSame([...await jobs.queuePositions([follower.id])], [[follower.id, 1]])
  const claim = await claimOne()
  t.equal(claim.jobId, source.id, 'ada does not wait behind a flood')
  t.equal(claim.principal.username, 'flood', 'it is still the job of who launched it')
})

t.test('a dry run finds what a launch would share, and joins nothing', async t => {
  const { jobs, launch, db } = await open()
  const uid = randomUUID()
  const source = await launch({ pods: [draftPod({ uid })] })
  const draft = draftJob({ username: 'bob', pods: [draftPod({ uid })] })
  const question = { ...draft, sharing: { maxAgeSeconds: 0, ownOnly: false }, pods: [{ podUid: uid, targetContainer: 'app', error: null }] }
  t.equal(await jobs.findSource(question), source.id)
  t.equal(await jobs.findSource({ ...question, sharing: { maxAgeSeconds: 0, ownOnly: true } }), null)
  t.equal(await jobs.findSource({ ...question, params: { id: uuidv7() } }), null)
  t.equal((await db.query('SELECT FROM job_follower')).rowCount, 0)
})

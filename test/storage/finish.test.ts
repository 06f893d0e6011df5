import t, { type Test } from 'tap'
import type { Finding } from '#core/finding.ts'
import type { Job } from '#core/job.ts'
import type { Claim, EndedRun, PodResult, RunResult } from '#core/ports/storage.ts'
import type { PodSummary } from '#core/target.ts'
import { v7 as uuidv7 } from 'uuid'
import { checkEvents } from '../support/check-events.ts'
import { startedRun } from '../support/claimed-run.ts'
import { draftJob, draftPod, failed, findingOf, measured, refusal } from '../support/job-drafts.ts'
import { startPostgres } from '../support/postgres.ts'

const { openDatabase } = await startPostgres(t)
const limits = { caller: 10_000, namespace: 10_000, node: 10_000 }

async function open (t: Test) {
  const database = await openDatabase(t, { limits })
  const { jobs } = database

  /** A job of pods web-0, web-1, … that are all claimed, in this order. */
  async function running (pods: number, places: Partial<PodSummary>[] = []): Promise<Claim[]> {
    const draft = draftJob({ pods: Array.from({ length: pods }, (_, nth) => draftPod({ name: `web-${nth}`, ...places[nth] })) })
    await jobs.create(draft)
    const claims = await jobs.claim('w', pods)
    return claims.sort((a, b) => a.jobPodId < b.jobPodId ? -1 : 1)
  }

  async function ended (results: PodResult[], places: Partial<PodSummary>[] = []): Promise<Job> {
    const claims = await running(results.length, places)
    for (const [nth, claim] of claims.entries()) t.equal(await jobs.finish(claim, results[nth]!), true)
    return (await jobs.find(claims[0]!.jobId))!
  }
  return { ...database, running, ended }
}

t.test('finish ends a job with its only pod', async t => {
  const database = await open(t)
  const findings = [findingOf('DNS_SLOW', 'warning', 'web-0', { data: { ms: 900 }, evidence: [{ line: 3 }] }), findingOf('DNS_TRUNCATED', 'info', 'web-0')]
  const job = await database.ended([measured(...findings)])
  t.match(job, { state: 'succeeded', verdict: 'warn', error: null, finishedAt: String, podCounts: { selected: 1, warn: 1, notMeasured: 0 } })
  t.strictSame(job.findings, findings)
  t.match(job.pods.items, [{ state: 'succeeded', verdict: 'warn', report: { answers: 2 }, error: null }])
  const events = await checkEvents(t, database.jobs, job.id, 'succeeded')
  t.strictSame(events.slice(-5).map(({ type }) => type), ['finding', 'finding', 'pod', 'job', 'end'])
  t.match(events.at(-5)?.data, { pod: 'web-0', code: 'DNS_SLOW', data: { ms: 900 }, evidence: [{ line: 3 }] })
})

t.test('finish keeps the error of a pod that failed as that of its job', async t => {
  const database = await open(t)
  const job = await database.ended([failed])
  t.match(job, { state: 'failed', verdict: null, error: failed.error, findings: [], podCounts: { notMeasured: 1 } })
  await checkEvents(t, database.jobs, job.id, 'failed')
})

t.test('finish gives a job of many pods its state and verdict with the last of them', async t => {
  const database = await open(t)
  const [pass, warn, fail, unknown] = [measured(), measured(findingOf('W', 'warning')), measured(findingOf('E', 'error')), measured(findingOf('U', 'unknown'))]
  const cases: [PodResult[], Job['state'], Job['verdict']][] = [
    [[pass, pass], 'succeeded', 'pass'],
    [[pass, warn], 'succeeded', 'warn'],
    [[warn, unknown, pass], 'succeeded', 'inconclusive'],
    [[fail, unknown, pass], 'succeeded', 'fail'],
    [[pass, failed], 'succeeded', 'inconclusive'],
    [[failed, fail], 'succeeded', 'fail'],
    [[failed, failed], 'failed', null]
  ]
  for (const [results, state, verdict] of cases) {
    const job = await database.ended(results)
    t.match(job, { state, verdict, error: state === 'failed' ? failed.error : null }, JSON.stringify(results.map(result => result.verdict)))
    await checkEvents(t, database.jobs, job.id, state)
  }
})

t.test('finish merges equal findings of several pods, and keeps apart what one pod has twice', async t => {
  const database = await open(t)
  const twice = (pod: string): Finding[] => [1, 2].map(line => findingOf('DNS_NXDOMAIN', 'error', pod, { evidence: [{ line }] }))
  const job = await database.ended([measured(...twice('web-0')), measured(...twice('web-1'), findingOf('DNS_SLOW', 'warning', 'web-1'))])
  t.strictSame(job.findings.map(({ code, pods, count, evidence }) => [code, pods, count, evidence]), [
    ['DNS_NXDOMAIN', ['web-0', 'web-1'], 2, [{ line: 1 }, { line: 1 }]],
    ['DNS_NXDOMAIN', ['web-0', 'web-1'], 2, [{ line: 2 }, { line: 2 }]],
    ['DNS_SLOW', ['web-1'], 1, []]
  ])
})

t.test('pods that disagree are a finding of the job, which is found by it and keeps its verdict', async t => {
  const database = await open(t)
  const fail = () => measured(findingOf('TCP_TIMEOUT', 'error'))
  const revisions = ['new', 'old', 'new', 'old'].map(revision => ({ revision, zone: 'z1' }))
  const job = await database.ended([fail(), measured(), fail(), measured()], revisions)
  const data = { by: 'revision', value: 'new', failing: 2, of: 4 }
  t.match(job, { verdict: 'fail', findings: [{ code: 'PODS_DISAGREE', severity: 'info', data, pods: ['web-0', 'web-2'], count: 2 }, { code: 'TCP_TIMEOUT' }] })
  t.match(job.pods.items[0]?.snapshot, { zone: 'z1', revision: 'new' })
  const events = await checkEvents(t, database.jobs, job.id, 'succeeded')
  t.match(events.at(-3), { type: 'finding', data: { pod: null, code: 'PODS_DISAGREE', data } })
  const found = await database.jobs.list({ namespaces: null, finding: ['PODS_DISAGREE'] }, { limit: 10, after: null })
  t.ok(found.items.some(({ id }) => id === job.id))
  const agreeing = await database.ended([fail(), fail(), failed])
  t.strictSame(agreeing.findings.map(({ code }) => code), ['TCP_TIMEOUT'])
})

t.test('a job that was cancelled compares no pods', async t => {
  const database = await open(t)
  const [first, second] = await database.running(2)
  await database.jobs.finish(first!, measured(findingOf('TCP_TIMEOUT', 'error')))
  await database.jobs.cancel(first!.jobId)
  await database.jobs.finish(second!, measured())
  t.match(await database.jobs.find(first!.jobId), { state: 'cancelled', verdict: null, findings: [{ code: 'TCP_TIMEOUT' }] })
})

t.test('while others run, a job has the reports, findings and counts of the pods that have ended', async t => {
  const database = await open(t)
  const [first, second, third] = await database.running(3)
  await database.jobs.finish(first!, measured(findingOf('TCP_TIMEOUT', 'error')))
  await database.jobs.finish(second!, measured())
  const job = await database.jobs.find(first!.jobId)
  t.match(job, { state: 'running', verdict: null, finishedAt: null, podCounts: { pass: 1, fail: 1, notMeasured: 1 } })
  t.strictSame(job!.findings.map(({ code }) => code), ['TCP_TIMEOUT'])
  t.match(job!.pods.items, [{ verdict: 'fail', report: { answers: 1 } }, { verdict: 'pass', report: { answers: 0 } }, { state: 'running', verdict: null, report: null }])
  await database.jobs.finish(third!, measured())
  t.match(await database.jobs.find(first!.jobId), { state: 'succeeded', findings: [{ code: 'PODS_DISAGREE' }, { code: 'TCP_TIMEOUT' }] })
})

t.test('a job runs until its last pod has ended, and one that was refused counts as not measured', async t => {
  const { jobs } = await open(t)
  const draft = draftJob({ pods: [draftPod({ name: 'web-0' }, refusal), draftPod({ name: 'web-1' }), draftPod({ name: 'web-2' })] })
  await jobs.create(draft)
  const [first, second] = await jobs.claim('w', 5)
  await jobs.finish(first!, measured())
  t.match(await jobs.find(draft.id), { state: 'running', verdict: null, finishedAt: null, podCounts: { pass: 1, notMeasured: 2 } })
  await jobs.finish(second!, measured())
  t.match(await jobs.find(draft.id), { state: 'succeeded', verdict: 'inconclusive', podCounts: { pass: 2, notMeasured: 1 } })
})

t.test('the end of a pod takes along the end of its last run, also where the pod is no longer held', async t => {
  const database = await open(t)
  const { jobs, runs } = database
  const exited: RunResult = { exitCode: 0, signal: null, endCause: 'exited', durationMs: 40, completeness: { state: 'complete', reason: null }, streams: [] }
  const output = [{ stream: 'stdout' as const, offset: 0, bytes: Buffer.from('42') }]

  async function lastOf (claim: Claim): Promise<EndedRun> {
    const { jobPodId, jobId, attempt } = claim
    const draft = { id: uuidv7(), jobPodId, jobId, attempt, sessionId: uuidv7(), diagnostic: 'dns-lookup', argv: ['dig'], reused: false, username: 'ada' }
    await runs.start(draft)
    return { id: draft.id, result: { ...exited, unwritten: { started: true, output } }, agoMs: 1000 }
  }

  async function checkRun (t: Test, last: EndedRun, jobId: string): Promise<void> {
    t.match(await runs.find(last.id), { endCause: 'exited', exitCode: 0, durationMs: 40, completeness: { state: 'complete' } })
    t.equal((await runs.output({ id: last.id, jobId }, 'stdout', 0, 10)).toString(), '42')
  }

  const [alone] = await database.running(1)
  const last = await lastOf(alone!)
  t.equal(await jobs.finish(alone!, measured(findingOf('E', 'error')), last), true)
  await checkRun(t, last, alone!.jobId)
  const events = await checkEvents(t, jobs, alone!.jobId, 'succeeded')
  t.strictSame(events.slice(-7).map(({ type }) => type), ['run', 'output', 'run', 'finding', 'pod', 'job', 'end'])
  const [{ endedAt } = { endedAt: null }, finishedAt] = [await runs.find(last.id) ?? undefined, (await jobs.find(alone!.jobId))?.finishedAt]
  t.ok(Date.parse(finishedAt!) - Date.parse(endedAt!) >= 990, 'the run ended when it ended')

  const [first, second] = await database.running(2)
  for (const claim of [first!, second!]) {
    const last = await lastOf(claim)
    t.equal(await jobs.finish(claim, measured(), last), true)
    await checkRun(t, last, claim.jobId)
  }
  await checkEvents(t, jobs, first!.jobId, 'succeeded')

  const [lost] = await database.running(1)
  const left = await lastOf(lost!)
  t.equal(await jobs.finish({ ...lost!, worker: 'other' }, measured(), left), false)
  await checkRun(t, left, lost!.jobId)
  t.equal(await jobs.finish(lost!, measured(), left), true)
  t.equal((await checkEvents(t, jobs, lost!.jobId, 'succeeded')).filter(({ data }) => data.phase === 'ended').length, 1, 'a run ends once')
})

t.test('finish cleans texts that cannot be stored', async t => {
  const database = await open(t)
  const odd = findingOf('DNS_ODD', 'error', 'web-0', { message: 'No\u0000 answer \ud800', data: { 'k\u0000': ['\udfff'] } })
  const job = await database.ended([{ ...measured(odd), report: { text: '\u0000' } }])
  t.match(job.findings, [{ message: 'No\ufffd answer \ufffd', data: { 'k\ufffd': ['\ufffd'] } }])
  t.strictSame(job.pods.items[0]?.report, { text: '\ufffd' })
})

t.test('all pods of a job can end at the same time', async t => {
  const database = await open(t)
  for (let round = 0; round < 5; round++) {
    const claims = await database.running(20)
    t.ok((await Promise.all(claims.map(claim => database.jobs.finish(claim, measured(findingOf('E', 'error', claim.pod)))))).every(Boolean))
    const job = (await database.jobs.find(claims[0]!.jobId))!
    t.match(job, { state: 'succeeded', verdict: 'fail', findings: [{ count: 20 }], podCounts: { fail: 20 } })
    await checkEvents(t, database.jobs, job.id, 'succeeded')
  }
})

t.test('a claim that is lost can neither finish, requeue, renew nor attach a session', async t => {
  const { jobs, running } = await open(t)
  const [claim] = await running(1)
  const { jobPodId: sessionId } = claim!
  const fenced = async (lost: Claim) => t.strictSame([
    await jobs.finish(lost, measured()), await jobs.requeue(lost, 'again'), await jobs.attachSession(lost, sessionId, true), await jobs.renew(lost)
  ], [false, false, false, { held: false, cancel: false, finish: false }])
  await fenced({ ...claim!, worker: 'other' })
  await fenced({ ...claim!, attempt: 2 })
  t.equal(await jobs.requeue(claim!, 'The channel was lost'), true)
  await fenced(claim!)
  const [next] = await jobs.claim('w', 1)
  t.equal(next?.attempt, 2)
  await fenced(claim!)
  t.equal(await jobs.finish(next!, measured()), true)
  await fenced(next!)
  t.match(await jobs.find(claim!.jobId), { state: 'succeeded', verdict: 'pass' })
})

t.test('requeue gives a claim back for 3 attempts at the most, says why, and lets the job wait', async t => {
  const database = await open(t)
  const { jobs } = database
  const [first] = await database.running(1)
  t.equal(await jobs.requeue(first!, 'The channel was lost'), true)
  t.match(await jobs.find(first!.jobId), { state: 'queued', startedAt: String, pods: { items: [{ state: 'queued', session: null }] } })
  t.match((await jobs.events(first!.jobId, 4, 10)), [
    { type: 'pod', data: { state: 'queued', attempt: 1, reason: 'The channel was lost' } }, { type: 'job', data: { state: 'queued' } }])
  const [second] = await jobs.claim('w', 1)
  t.equal(await jobs.requeue(second!, 'The channel was lost'), true)
  const [third] = await jobs.claim('w', 1)
  t.equal(third?.attempt, 3)
  t.equal(await jobs.requeue(third!, 'The channel was lost'), false)
  t.equal(await jobs.finish(third!, failed), true)
  await checkEvents(t, database.jobs, first!.jobId, 'failed')
})

t.test('what gives a claim back, or ends it without a result, ends the runs that its worker does not know of', async t => {
  for (const pods of [1, 2]) {
    const database = await open(t)
    const { jobs } = database
    const [claim] = await database.running(pods)
    const ended = async () => (await jobs.find(claim!.jobId))!.pods.items.flatMap(({ runs }) => runs.map(({ endCause }) => endCause))
    await startedRun(database, claim!)
    t.equal(await jobs.requeue(claim!, 'The database did not answer'), true)
    t.strictSame(await ended(), ['disconnected'])
    const again = (await jobs.claim('w', 1))[0]!
    await startedRun(database, again)
    t.equal(await jobs.finish(again, failed), true)
    t.strictSame(await ended(), ['disconnected', 'disconnected'])
  }
})

t.test('renew tells what callers have asked for meanwhile', async t => {
  const { jobs, running } = await open(t)
  const [claim] = await running(1)
  t.strictSame(await jobs.renew(claim!), { held: true, cancel: false, finish: false })
  t.match(await jobs.askFinish(claim!.jobId), { state: 'running' })
  t.strictSame(await jobs.renew(claim!), { held: true, cancel: false, finish: true })
  t.match(await jobs.cancel(claim!.jobId), { state: 'running' })
  t.strictSame(await jobs.renew(claim!), { held: true, cancel: true, finish: true })
})

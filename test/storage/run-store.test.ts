import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { Value } from 'typebox/value'
import { v7 as uuidv7 } from 'uuid'
import { Run } from '#core/run.ts'
import type { RunResult } from '#core/ports/storage.ts'
import { claimedJob, startedRun } from '../support/claimed-run.ts'
import { draftPod } from '../support/job-drafts.ts'
import { startPostgres } from '../support/postgres.ts'

const { openDatabase } = await startPostgres(t)
const database = await openDatabase(t, { limits: { caller: 10_000, namespace: 10_000, node: 10_000 } })
const { jobs, runs } = database
const claim = await claimedJob(database)
const start = () => startedRun(database, claim)
const eventsSince = async (seq: number) => (await jobs.events(claim.jobId, seq, 1000)).map(({ type, data }) => ({ type, data }))
const lastSeq = async () => (await jobs.events(claim.jobId, 0, 10_000)).at(-1)!.seq
const read = async (run: { id: string, jobId: string }, offset = 0, bytes = 10 << 20) => runs.output(run, 'stdout', offset, bytes)

const exited: RunResult = {
  exitCode: 0,
  signal: null,
  endCause: 'exited',
  durationMs: 41.4,
  completeness: { state: 'complete', reason: null },
  streams: [{ name: 'stdout', receivedBytes: 5, sha256: 'ab', storedBytes: 5, redactions: 0 }]
}
const conflict = { code: 'EPH_CONFLICT' }

t.test('a run is there from its start to its end, in its job and as events', async t => {
  const seq = await lastSeq()
  const id = uuidv7()
  const draft = { ...claim, id, sessionId: randomUUID(), argv: ['dig', 'a\u0000b', '\ud800'], reused: false, username: 'ada' }
  await runs.start(draft)
  const waiting = await runs.find(id)
  t.strictSame([...Value.Errors(Run, waiting)], [])
  t.match(waiting, { jobId: claim.jobId, podUid: claim.podUid, pod: 'web', attempt: 1, argv: ['dig', 'a\ufffdb', '\ufffd'], startedAt: null, endedAt: null, endCause: null })
  await runs.started(id)
  await runs.started(id)
  t.match(await runs.find(id), { startedAt: String, endedAt: null })
  await runs.append(draft, 'stdout', 0, Buffer.from('hello'))
  await runs.end({ id, result: exited, agoMs: 0 })
  const ended = await runs.find(id)
  t.strictSame([...Value.Errors(Run, ended)], [])
  t.match(ended, { endedAt: String, exitCode: 0, durationMs: 41, endCause: 'exited', completeness: exited.completeness, streams: exited.streams })
  t.strictSame((await jobs.find(claim.jobId))?.pods.items[0]?.runs.find(run => run.id === id), ended)
  t.match(await eventsSince(seq), [
    { type: 'run', data: { phase: 'started', runId: id, jobPodId: claim.jobPodId, pod: 'web' } },
    { type: 'output', data: { runId: id, stream: 'stdout', offset: 0, bytes: 5 } },
    { type: 'run', data: { phase: 'ended', runId: id, exitCode: 0, endCause: 'exited', completeness: { state: 'complete' } } }
  ])
})

t.test('the end of a run brings along what was not written down of it', async t => {
  const seq = await lastSeq()
  const draft = { ...claim, id: uuidv7(), sessionId: randomUUID(), argv: ['dig'], reused: false, username: 'ada' }
  await runs.start(draft)
  await runs.append(draft, 'stdout', 0, Buffer.from('first '))
  const output = [
    { stream: 'stdout' as const, offset: 6, bytes: Buffer.from([0, 255, 10]) }, { stream: 'stderr' as const, offset: 0, bytes: Buffer.from('oh') }
  ]
  const result = { ...exited, unwritten: { started: true, output } }
  for (let times = 0; times < 2; times++) await runs.end({ id: draft.id, result, agoMs: 0 })
  t.ok((await read(draft)).equals(Buffer.from([...Buffer.from('first '), 0, 255, 10])))
  t.equal((await runs.output(draft, 'stderr', 0, 10)).toString(), 'oh')
  const run = await runs.find(draft.id)
  t.equal(Date.parse(run!.endedAt!) - Date.parse(run!.startedAt!), 41)
  t.match(await eventsSince(seq), [
    { type: 'output', data: { stream: 'stdout', offset: 0, bytes: 6 } },
    { type: 'run', data: { phase: 'started', runId: draft.id, jobPodId: claim.jobPodId, argv: ['dig'] } },
    { type: 'output', data: { stream: 'stdout', offset: 6, bytes: 3 } },
    { type: 'output', data: { stream: 'stderr', offset: 0, bytes: 2 } },
    { type: 'run', data: { phase: 'ended', runId: draft.id } }
  ])
})

t.test('start, started, append and end can be repeated', async t => {
  const run = await start()
  const seq = await lastSeq()
  await runs.start(run)
  await runs.started(run.id)
  const bytes = randomBytes(100_000)
  for (let times = 0; times < 2; times++) await runs.append(run, 'stdout', 0, bytes)
  t.ok((await read(run)).equals(bytes))
  await runs.end({ id: run.id, result: exited, agoMs: 0 })
  await runs.end({ id: run.id, result: { ...exited, exitCode: 9, endCause: 'killed', completeness: { state: 'truncated', reason: 'killed' } }, agoMs: 0 })
  t.match(await runs.find(run.id), { exitCode: 0, endCause: 'exited', completeness: { state: 'complete' } })
  t.strictSame((await eventsSince(seq)).map(({ type }) => type), ['output', 'run'])
})

t.test('start is refused where its claim is not held', async t => {
  for (const lost of [{ attempt: 2 }, { jobPodId: uuidv7() }, { jobId: uuidv7() }]) {
    const draft = { ...claim, id: uuidv7(), sessionId: randomUUID(), argv: ['dig'], reused: false, username: 'ada', ...lost }
    await t.rejects(runs.start(draft), conflict)
    t.equal(await runs.find(draft.id), null)
  }
})

t.test('output answers stored bytes at any offset, at most as many as wanted', async t => {
  const run = await start()
  const bytes = randomBytes(300_000)
  const cuts = [0, 1, 65_536, 70_000, 200_000, 300_000]
  for (const [nth, cut] of cuts.slice(0, -1).entries()) await runs.append(run, 'stdout', cut, bytes.subarray(cut, cuts[nth + 1]))
  await runs.append(run, 'stderr', 0, Buffer.from('other'))
  t.ok((await read(run)).equals(bytes))
  for (const offset of [0, 1, 2, 65_535, 65_536, 65_537, 131_071, 199_999, 265_536, 299_999]) {
    for (const length of [1, 2, 65_536, 65_537, 140_000]) {
      t.ok((await read(run, offset, length)).equals(bytes.subarray(offset, offset + length)), `${length} bytes from ${offset}`)
    }
  }
  for (const offset of [300_000, 5_000_000_000]) t.equal((await read(run, offset)).length, 0)
  t.equal((await read(run, 0, 0)).length, 0)
  t.equal((await runs.output(run, 'stderr', 0, 100)).toString(), 'other')
})

t.test('output ends before a piece that is missing', async t => {
  const run = await start()
  await runs.append(run, 'stdout', 5, Buffer.from('world'))
  t.equal((await read(run)).toString(), '')
  await runs.append(run, 'stdout', 0, Buffer.from('hello'))
  t.equal((await read(run)).toString(), 'helloworld')
})

t.test('append stores nothing for nothing', async t => {
  const run = await start()
  const seq = await lastSeq()
  await runs.append(run, 'stdout', 0, Buffer.alloc(0))
  t.strictSame(await eventsSince(seq), [])
})

t.test('append is refused once the run has ended', async t => {
  const run = await start()
  await runs.append(run, 'stdout', 0, Buffer.from('whole'))
  await runs.end({ id: run.id, result: exited, agoMs: 0 })
  const seq = await lastSeq()
  await t.rejects(runs.append(run, 'stdout', 5, Buffer.from(' late')), conflict)
  await t.rejects(runs.append(run, 'stderr', 0, Buffer.from('late')), conflict)
  t.equal((await read(run)).toString(), 'whole')
  t.strictSame(await eventsSince(seq), [])
})

t.test('of append and end at the same time, what was accepted is stored before the end', async t => {
  for (let round = 0; round < 40; round++) {
    const run = await start()
    const works = [() => runs.append(run, 'stdout', 0, Buffer.from('x')), () => runs.end({ id: run.id, result: exited, agoMs: 0 })]
    const outcomes = await Promise.allSettled((round % 2 ? works : works.reverse()).map(work => work()))
    const isStored = outcomes.every(({ status }) => status === 'fulfilled')
    t.equal((await read(run)).length, isStored ? 1 : 0)
    const types = (await eventsSince(0)).filter(({ data }) => data.runId === run.id).map(({ type }) => type)
    t.strictSame(types, isStored ? ['run', 'output', 'run'] : ['run', 'run'])
  }
})

t.test('both streams of many runs are stored at the same time', async t => {
  const all = await Promise.all(Array.from({ length: 10 }, start))
  const bytes = randomBytes(50_000)
  await Promise.all(all.flatMap(run => (['stdout', 'stderr'] as const).map(async stream => {
    for (let at = 0; at < bytes.length; at += 10_000) await runs.append(run, stream, at, bytes.subarray(at, at + 10_000))
  })))
  for (const run of all) t.ok((await read(run)).equals(bytes))
  const seqs = (await jobs.events(claim.jobId, 0, 10_000)).map(({ seq }) => seq)
  t.strictSame(seqs, seqs.map((_, nth) => nth + 1))
})

t.test('list finds runs by each filter, newest first, by pages', async t => {
  const pod = draftPod({ namespace: 'other', name: 'db-0' })
  const claim = await claimedJob(database, { pods: [pod] })
  const sessionId = randomUUID()
  const made = []
  for (const diagnostic of ['dns-lookup', 'dns-lookup', 'packet-capture']) made.unshift(await startedRun(database, claim, { diagnostic, sessionId }))
  const all = made.map(({ id }) => id)
  const find = async (filter: Partial<Parameters<typeof runs.list>[0]>, limit = 200) =>
    (await runs.list({ namespaces: null, ...filter }, { limit, after: null })).items.map(({ id }) => id)
  t.strictSame(await find({ namespaces: ['other', 'none'] }), all)
  t.strictSame(await find({ namespaces: [] }), [])
  t.ok((await find({})).length > 3)
  t.strictSame(await find({ jobId: [claim.jobId, 'no id'] }), all)
  t.strictSame(await find({ jobId: ['no id'] }), [])
  t.strictSame(await find({ sessionId: [sessionId] }), all)
  t.strictSame(await find({ pod: ['db-0'] }), all)
  t.strictSame(await find({ podUid: [pod.pod.uid] }), all)
  t.strictSame(await find({ podUid: [pod.pod.uid], diagnostic: ['packet-capture', 'ping'] }), all.slice(0, 1))
  t.strictSame(await find({ pod: ['db-0', 'a\u0000'], diagnostic: ['ping'] }), [])

  const first = await runs.list({ namespaces: ['other'] }, { limit: 2, after: null })
  t.strictSame([first.items.map(({ id }) => id), first.nextCursor], [all.slice(0, 2), all[1]])
  const rest = await runs.list({ namespaces: ['other'] }, { limit: 2, after: first.nextCursor })
  t.strictSame([rest.items.map(({ id }) => id), rest.nextCursor], [all.slice(2), null])
  await t.rejects(runs.list({ namespaces: null }, { limit: 2, after: 'x' }), { code: 'EPH_CURSOR_INVALID' })
  t.equal(await runs.find('x'), null)
})

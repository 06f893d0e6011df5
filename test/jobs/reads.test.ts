import t from 'tap'
import type { Principal } from '#core/principal.ts'
import { capture, drive, lookup } from '../support/drive.ts'
import { answering } from '../support/fake-channels.ts'
import { caller, exampleNamespace } from '../support/fake-ports.ts'

const never = new AbortController().signal
const bob: Principal = { ...caller, username: 'bob', uid: 'u-2' }
const page = { limit: 50, after: null }
const everywhere = { namespaces: [] }
const unknown = '0199aaaa-0000-7000-8000-000000000000'

async function measured (t: Parameters<typeof drive>[0]) {
  const engine = drive(t, { diagnostics: [lookup(), capture()] })
  engine.channels.play = answering('one\ntwo\n')
  const job = await engine.run({ diagnostic: 'capture' })
  const [run] = job.pod.runs
  engine.database.audit.length = 0
  return { ...engine, job, runId: run!.id, artifactId: run!.artifacts[0]!.id, sessionId: job.pod.session!.id }
}

t.test('what the caller may not see does not exist, and that it was tried is recorded', async t => {
  const { useCases, cluster, database, job, runId, artifactId, sessionId } = await measured(t)
  const reads = (ids: { job: string, run: string, artifact: string, session: string }) => [
    () => useCases.job(bob, ids.job),
    () => useCases.jobPods(bob, ids.job, page),
    () => useCases.wait(bob, ids.job, { seconds: 1, signal: never }),
    () => useCases.cancel(bob, ids.job),
    () => useCases.finish(bob, ids.job),
    () => useCases.run(bob, ids.run),
    () => useCases.output(bob, ids.run, { stream: 'stdout', raw: false, follow: false, signal: never }),
    () => useCases.artifact(bob, ids.artifact),
    () => useCases.content(bob, ids.artifact, { start: 0, end: null, follow: false, signal: never }),
    () => useCases.session(bob, ids.session),
    () => useCases.closeSession(bob, ids.session),
    () => useCases.events(bob, ids.job, { afterSeq: 0, signal: never })
  ]
  const answers = async (list: (() => Promise<unknown>)[]) => {
    const found: string[] = []
    for (const read of list) {
      const error = await read().then(() => null, (error: Error & { code?: string }) => error)
      found.push(`${error?.code} ${error?.message.replace(/[0-9a-f-]{36}/, 'ID')}`)
    }
    return found
  }
  cluster.denied.add('get jobs shop')
  const hidden = await answers(reads({ job: job.id, run: runId, artifact: artifactId, session: sessionId }))
  t.ok(hidden.every(answer => answer.startsWith('EPH_NOT_FOUND')), hidden.join('\n'))
  t.equal(database.audit.length, hidden.length)
  t.match(database.audit, Array.from(hidden, () => ({ outcome: 'denied', code: 'EPH_NOT_FOUND', principal: bob, namespace: 'shop' })))
  t.same(await answers(reads({ job: unknown, run: unknown, artifact: unknown, session: unknown })), hidden, 'as what is not there')
})

t.test('payload takes a right of its own; every reading of it is recorded', async t => {
  const { useCases, cluster, database, runId, artifactId } = await measured(t)
  cluster.denied.add('get payloads shop')
  const range = { start: 0, end: null, follow: false, signal: never }
  await t.rejects(useCases.content(bob, artifactId, range), { code: 'EPH_FORBIDDEN' })
  await t.rejects(useCases.output(bob, runId, { stream: 'stderr', raw: true, follow: false, signal: never }), { code: 'EPH_FORBIDDEN' })
  await useCases.artifact(bob, artifactId)
  await useCases.output(bob, runId, { stream: 'stderr', raw: false, follow: false, signal: never })
  cluster.denied.clear()
  await useCases.content(bob, artifactId, range)
  t.same(database.audit.map(({ action, outcome, object, code }) => [action, outcome, object, code]), [
    ['read-artifact', 'denied', `artifact ${artifactId}`, 'EPH_FORBIDDEN'],
    ['read-output', 'denied', `run ${runId}`, 'EPH_FORBIDDEN'],
    ['read-output', 'allowed', `run ${runId}`, null],
    ['read-artifact', 'allowed', `artifact ${artifactId}`, null]
  ])
})

t.test('a part of an artifact is that part', async t => {
  const { useCases, artifactId } = await measured(t)
  for (const [start, end, text] of [[0, 3, 'one'], [4, 7, 'two'], [4, null, 'two\n'], [8, null, '']] as const) {
    const { content } = await useCases.content(caller, artifactId, { start, end, follow: false, signal: never })
    let read = ''
    for await (const chunk of content) read += String(chunk)
    t.equal(read, text)
  }
})

t.test('lists hold what the caller may list: all, the namespaces asked for, or those where they may', async t => {
  const { useCases, cluster, database, job } = await measured(t)
  cluster.namespaces.push(exampleNamespace({ name: 'other' }))
  const ids = async (namespaces: string[]) => (await useCases.jobs(bob, { namespaces }, page)).items.map(({ id }) => id)
  t.same(await ids([]), [job.id])
  cluster.denied.add('list jobs ')
  t.same(await ids([]), [job.id])
  t.same(await ids(['other']), [])
  cluster.denied.add('list jobs shop')
  t.same(await ids([]), [])
  for (const list of ['jobs', 'runs', 'sessions', 'artifacts'] as const) {
    await t.rejects(async () => { await useCases[list](bob, { namespaces: ['shop'] }, page) }, { code: 'EPH_FORBIDDEN' })
  }
  t.equal(database.audit.length, 4)
  cluster.namespaces.push(...Array.from({ length: 199 }, (_, index) => exampleNamespace({ name: `n-${index}` })))
  await t.rejects(useCases.jobs(bob, everywhere, page), { code: 'EPH_NAMESPACE_REQUIRED' })
})

t.test('who launched a job may always cancel it; others take a right for that', async t => {
  const { useCases, cluster, launch } = drive(t, { works: false })
  const { id } = await launch()
  cluster.denied.add('update jobs shop')
  await t.rejects(useCases.cancel(bob, id), { code: 'EPH_FORBIDDEN' })
  cluster.denied.add('get jobs shop')
  t.equal((await useCases.cancel(caller, id)).state, 'cancelled')
})

t.test('events come in order until the end, resume after any, and carry the text of outputs', async t => {
  const { useCases, run } = drive(t)
  const { id } = await run()
  const read = async (afterSeq: number) => {
    const events = []
    for await (const event of await useCases.events(caller, id, { afterSeq, signal: never })) events.push(event)
    return events
  }
  const all = await read(0)
  t.same(all.map(({ seq }) => seq), all.map((_, index) => index + 1))
  t.same(all.map(({ type, data }) => type === 'run' ? `run ${data.phase}` : type), ['job', 'job', 'run started', 'output', 'run ended', 'pod', 'end'])
  t.match(all[3]!.data, { stream: 'stdout', offset: 0, text: 'answer\n' })
  t.same(await read(4), all.slice(4))
  t.same(await read(all.length), [])
})

t.test('the right to watch is asked for at the start of a stream', async t => {
  const { useCases, cluster, job } = await measured(t)
  cluster.denied.add('watch jobs shop')
  await t.rejects(useCases.events(bob, job.id, { afterSeq: 0, signal: never }), { code: 'EPH_FORBIDDEN' })
})

t.test('wait answers the final job at once, one that is not after the time, and what is news', async t => {
  const { useCases, launch, final, channels } = drive(t)
  const end = Promise.withResolvers<void>()
  channels.play = async tool => {
    tool.start()
    await end.promise
    tool.end()
  }
  const { id } = await launch()
  const since = performance.now()
  t.equal((await useCases.wait(caller, id, { seconds: 0.3, signal: never })).state, 'running')
  t.ok(performance.now() - since >= 290)
  t.equal((await useCases.wait(caller, id, { seconds: 10, signal: never, knownVersion: 'older' })).state, 'running')
  t.equal((await useCases.wait(caller, id, { seconds: 10, signal: AbortSignal.abort() })).state, 'running')
  end.resolve()
  await final(id)
  t.ok(performance.now() - since < 2000)
})

t.test('closing a session ends its container, takes its right, and is recorded', async t => {
  const { useCases, cluster, channels, database, sessionId } = await measured(t)
  cluster.denied.add('delete sessions shop')
  await t.rejects(useCases.closeSession(bob, sessionId), { code: 'EPH_FORBIDDEN' })
  cluster.denied.clear()
  t.match(await useCases.closeSession(bob, sessionId), { state: 'closed', closedReason: 'closed by bob' })
  t.equal(channels.closed.length, 1)
  await useCases.closeSession(bob, sessionId)
  t.equal(channels.closed.length, 1)
  t.match(database.audit.map(({ action, outcome }) => [action, outcome]), [['close-session', 'denied'], ['close-session', 'allowed']])
})

t.test('pods are listed only where the caller may list pods', async t => {
  const { useCases, cluster, database } = drive(t, { works: false })
  t.match(await useCases.targets(bob, { namespace: 'shop', labelSelector: null, q: 'we' }), [{ pod: { name: 'web' }, refusal: null, ours: 0, budgetLeft: 3 }])
  t.same(await useCases.targets(bob, { namespace: 'shop', labelSelector: null, q: 'no' }), [])
  cluster.pods[0]!.phase = 'Pending'
  t.match(await useCases.targets(bob, { namespace: 'shop', labelSelector: null, q: null }), [{ refusal: 'EPH_POD_NOT_RUNNING', profiles: [] }])
  cluster.denied.add('list pods shop')
  await t.rejects(useCases.targets(bob, { namespace: 'shop', labelSelector: null, q: null }), { code: 'EPH_FORBIDDEN' })
  t.equal(database.audit.length, 1)
})

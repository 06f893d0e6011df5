import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import { capture, drive, lookup } from '../support/drive.ts'
import { answering, waiting, type FakeTool, type Play } from '../support/fake-channels.ts'
import { caller } from '../support/fake-ports.ts'

const never = new AbortController().signal
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Says that it listens, then these chunks, and waits for an order. */
const capturing = (...chunks: Buffer[]): Play => async tool => {
  tool.start()
  await tool.say('stderr', 'tcpdump: listening on eth0\n')
  for (const chunk of chunks) await tool.say('stdout', chunk)
  await waiting(tool)
}

async function contentOf ({ useCases }: ReturnType<typeof drive>, id: string): Promise<Buffer> {
  const { content } = await useCases.content(caller, id, { start: 0, end: null, follow: false, signal: never })
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts)
}

t.test('a capture that is asked to finish is complete: sent = stored = read back', async t => {
  const engine = drive(t)
  const { channels, database, launch, final, event, useCases } = engine
  const chunks = Array.from({ length: 40 }, (_, index) => Buffer.alloc(1 << 19, index))
  channels.play = capturing(...chunks)
  const { id } = await launch({ diagnostic: 'capture' })
  await event(id, ({ data }) => data.phase === 'listening')
  while ((database.artifacts.values().next().value?.segments.length ?? 0) < 2) await delay(5)
  await useCases.finish(caller, id)
  const { state, pod } = await final(id)
  t.equal(state, 'succeeded', JSON.stringify(pod.error))
  const whole = Buffer.concat(chunks)
  const [run] = pod.runs
  t.match(run, { endCause: 'finished', completeness: { state: 'complete', reason: null } })
  const [stdout] = run!.streams
  t.match(stdout, { receivedBytes: whole.length, storedBytes: whole.length, sha256: sha256(whole) })
  const { artifact, segments } = [...database.artifacts.values()][0]!
  t.match(artifact, { state: 'sealed', sizeBytes: whole.length, sha256: sha256(whole), completeness: { state: 'complete' } })
  t.ok(segments.every(({ sizeBytes }) => sizeBytes <= 8 << 20))
  t.same(pod.report, { artifactId: artifact.id, sizeBytes: whole.length, sha256: sha256(whole), endCause: 'finished' })
  t.equal((await contentOf(engine, artifact.id)).equals(whole), true)
})

t.test('asked to finish before it listens, it first listens: else it would leave nothing', async t => {
  const { channels, launch, final, event, useCases } = drive(t)
  const tools: FakeTool[] = []
  channels.play = tool => { tools.push(tool); tool.start() }
  const { id } = await launch({ diagnostic: 'capture' })
  await event(id, ({ data }) => data.phase === 'started')
  await useCases.finish(caller, id)
  await delay(200)
  t.same(tools[0]!.orders, [])
  await tools[0]!.say('stderr', 'listening')
  t.match(await tools[0]!.stopped, { cause: 'finished' })
  tools[0]!.end({ endCause: 'finished' })
  t.equal((await final(id)).state, 'succeeded')
})

t.test('asked to finish, it goes on for as long as the tool may hold back what came before', async t => {
  const { channels, launch, final, event, useCases } = drive(t, { diagnostics: [capture({ drainSeconds: 0.3, stopAfterSeconds: 600 })] })
  const tools: FakeTool[] = []
  channels.play = async tool => {
    tools.push(tool)
    tool.start()
    await tool.say('stderr', 'listening')
  }
  const { id } = await launch({ diagnostic: 'capture' })
  await event(id, ({ data }) => data.phase === 'listening')
  t.equal(tools[0]!.request.stopAfterSeconds, 600.3)
  const asked = performance.now()
  await useCases.finish(caller, id)
  t.match(await tools[0]!.stopped, { cause: 'finished' })
  t.ok(performance.now() - asked >= 290)
  tools[0]!.end({ endCause: 'finished' })
  t.equal((await final(id)).state, 'succeeded')
})

t.test('a stream that is long enough is ended as planned', async t => {
  const { channels, run } = drive(t, { diagnostics: [capture({ maxBytes: 1000 })] })
  channels.play = capturing(Buffer.alloc(999), Buffer.alloc(2))
  const { state, pod } = await run({ diagnostic: 'capture' })
  t.equal(state, 'succeeded')
  t.match(pod.report, { sizeBytes: 1001, endCause: 'finished' })
})

t.test('what was stored before the connection was lost is kept and said to be cut', async t => {
  const engine = drive(t)
  engine.channels.play = async tool => {
    tool.start()
    await tool.say('stdout', 'all there is')
    tool.lose()
  }
  const { state, pod } = await engine.run({ diagnostic: 'capture' })
  t.equal(state, 'failed')
  t.match(pod.error, { code: 'EPH_INDETERMINATE', effect: 'unknown' })
  t.match(pod.runs[0]!.completeness, { state: 'truncated', reason: 'disconnected' })
  t.equal(String(await contentOf(engine, pod.runs[0]!.artifacts[0]!.id)), 'all there is')
})

t.test('a parser that fails on a stream ends nothing: all of it is kept, and the worker goes on', async t => {
  const fail = () => { throw new TypeError('Cannot read properties of undefined') }
  for (const check of [{ push: fail, end: () => null }, { push () {}, end: fail }]) {
    const engine = drive(t, { diagnostics: [capture({ check }), lookup()] })
    engine.channels.play = async tool => {
      tool.start()
      await tool.say('stdout', 'no pcap ')
      await tool.say('stdout', 'at all')
      tool.end()
    }
    const { state, verdict, pod } = await engine.run({ diagnostic: 'capture' })
    t.match({ state, verdict }, { state: 'succeeded', verdict: 'inconclusive' })
    t.match(pod.error, { code: 'EPH_OUTPUT_UNREADABLE', message: /its parser failed on it/ })
    const [artifact] = pod.runs[0]!.artifacts
    t.equal(String(await contentOf(engine, artifact!.id)), 'no pcap at all')
    t.ok(engine.logged.some(({ text }) => text === 'A parser failed on a stream'), 'told to the operator')
    engine.channels.play = answering()
    t.match(await engine.run(), { state: 'succeeded' })
  }
})

t.test('a store that takes nothing for too long ends the run; what it took is kept', async t => {
  const engine = drive(t, { policy: { stallSeconds: 0.3 } })
  const { channels, bucket } = engine
  channels.play = async tool => {
    tool.start()
    await tool.say('stdout', Buffer.alloc(8 << 20, 1))
    while (bucket.objects.size === 0) await delay(5)
    bucket.putting = () => new Promise(() => {})
    tool.say('stdout', Buffer.alloc(8 << 20, 2)).catch(() => {})
    t.match(await tool.stopped, { cause: 'cancelled', graceSeconds: 0 })
    tool.end({ endCause: 'cancelled' })
  }
  const { state, pod } = await engine.run({ diagnostic: 'capture' })
  t.equal(state, 'failed')
  t.match(pod.error, { code: 'EPH_STORE_STALLED', retryable: 'later' })
  t.match(pod.runs[0], { endCause: 'stalled', completeness: { state: 'truncated', reason: 'backpressure' } })
  t.match(pod.runs[0]!.streams[0], { receivedBytes: 16 << 20, storedBytes: 8 << 20 })
  t.equal((await contentOf(engine, pod.runs[0]!.artifacts[0]!.id)).equals(Buffer.alloc(8 << 20, 1)), true)
})

t.test('a store that refuses everything ends the run in its own words', async t => {
  const engine = drive(t, { policy: { stallSeconds: 0.3 } })
  const { channels, bucket } = engine
  bucket.putting = async () => { throw new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot store the object: the credentials may not do this') }
  channels.play = async tool => {
    tool.start()
    await tool.say('stdout', Buffer.alloc(8 << 20, 1))
    await tool.stopped
    tool.end({ endCause: 'cancelled' })
  }
  const { pod } = await engine.run({ diagnostic: 'capture' })
  t.match(pod.error, { code: 'EPH_STORE_STALLED', message: /took no bytes for 0.3 s: .*the credentials may not do this/ })
})

t.test('a store and a database that fail for a moment lose nothing', async t => {
  const engine = drive(t)
  const { channels, bucket, database, logged } = engine
  let failures = 2
  bucket.putting = async () => {
    if (failures-- > 0) throw new Problem('EPH_BUCKET_UNAVAILABLE', 'Cannot reach the bucket')
    database.state.isDown = true
    setTimeout(() => { database.state.isDown = false }, 200).unref()
  }
  channels.play = async tool => {
    tool.start()
    await tool.say('stdout', 'everything')
    tool.end()
  }
  const { state, pod } = await engine.run({ diagnostic: 'capture' })
  t.equal(state, 'succeeded', JSON.stringify(pod.error))
  t.match(pod.runs[0]!.completeness, { state: 'complete' })
  t.equal(String(await contentOf(engine, pod.runs[0]!.artifacts[0]!.id)), 'everything')
  t.ok(logged.some(({ text }) => text.startsWith('Cannot store a segment')))
})

t.test('when the service stops, a capture may end by itself, or be finished, within the grace', async t => {
  const ends: Record<string, (tool: FakeTool, engine: ReturnType<typeof drive>, id: string) => unknown> = {
    'by itself': tool => delay(300).then(() => { tool.end({ endCause: 'finished' }) }),
    'asked to finish': async (tool, { useCases }, id) => {
      await useCases.finish(caller, id)
      t.match(await tool.stopped, { cause: 'finished' })
      tool.end({ endCause: 'finished' })
    }
  }
  for (const [how, end] of Object.entries(ends)) {
    const engine = drive(t)
    const { channels, launch, event, worker, useCases } = engine
    const tools: FakeTool[] = []
    channels.play = async tool => {
      tools.push(tool)
      tool.start()
      await tool.say('stderr', 'listening')
      await tool.say('stdout', 'packets')
    }
    const { id } = await launch({ diagnostic: 'capture' })
    await event(id, ({ data }) => data.phase === 'listening')
    const stopped = worker.stop(30)
    await delay(50)
    t.same(tools[0]!.orders, [], how)
    await Promise.all([stopped, end(tools[0]!, engine, id)])
    const { state, pods: { items: [pod] } } = await useCases.job(caller, id)
    t.equal(state, 'succeeded', `${how} ${JSON.stringify(pod!.error)}`)
    t.match(pod!.runs[0], { endCause: 'finished', completeness: { state: 'complete' } })
  }
})

t.test('one that does not end within the grace is cut by the shutdown, and what came is kept', async t => {
  const engine = drive(t)
  const { channels, launch, event, worker, useCases } = engine
  channels.play = async tool => {
    tool.start()
    await tool.say('stderr', 'listening')
    await tool.say('stdout', 'all there is')
    t.match(await tool.stopped, { cause: 'shutdown', graceSeconds: 2 })
    // It follows at once, and nothing of its stream is missing: yet it is less than what was asked for.
    tool.end({ endCause: 'shutdown' })
  }
  const { id } = await launch({ diagnostic: 'capture' })
  await event(id, ({ data }) => data.phase === 'listening')
  await worker.stop(0.2)
  const { state, pods: { items: [pod] } } = await useCases.job(caller, id)
  t.equal(state, 'failed')
  t.match(pod, { error: { code: 'EPH_SHUTDOWN', retryable: 'now' }, runs: [{ completeness: { state: 'truncated', reason: 'shutdown' } }] })
  t.equal(String(await contentOf(engine, pod!.runs[0]!.artifacts[0]!.id)), 'all there is')
})

t.test('an artifact can be followed while it grows', async t => {
  const { channels, launch, event, database, useCases } = drive(t)
  const finish = Promise.withResolvers<void>()
  channels.play = async tool => {
    tool.start()
    await tool.say('stderr', 'listening')
    await tool.say('stdout', 'early ')
    await finish.promise
    await tool.say('stdout', 'late')
    tool.end()
  }
  const { id } = await launch({ diagnostic: 'capture' })
  await event(id, ({ data }) => data.phase === 'listening')
  const { artifact } = database.artifacts.values().next().value!
  const { content } = await useCases.content(caller, artifact.id, { start: 0, end: null, follow: true, signal: never })
  const parts: string[] = []
  for await (const part of content) {
    parts.push(String(part))
    finish.resolve()
  }
  t.same(parts, ['early ', 'late'])
})

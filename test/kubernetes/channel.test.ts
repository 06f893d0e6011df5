import { t, type Test } from 'tap'
import { ChannelLost, type RunEnd, type RunSink } from '#core/ports/channel.ts'
import { channelTimes, openChannel, type ChannelTimes } from '../../src/kubernetes/channel.ts'
import { createFakeRunner, ended, frame, hello, output, type Request } from './fake-runner.ts'

type Connect = ReturnType<typeof createFakeRunner>['connect']

const never = new AbortController().signal
const request = (id: string, rest = {}) => ({ id, argv: ['dig', id], seconds: 5, ...rest })

function collect () {
  const sink = { out: '', err: '', stdout (chunk: Buffer) { sink.out += chunk }, stderr (chunk: Buffer) { sink.err += chunk } }
  return sink
}
async function open (t: Test, runner = createFakeRunner(), times: ChannelTimes = channelTimes) {
  const channel = await openChannel(runner.connect, () => {}, times, never)
  t.teardown(() => channel.close('end of test'))
  return { runner, channel }
}

t.test('a run takes its output, its end and the proof of both', async t => {
  const { runner, channel } = await open(t)
  const sink = collect()
  const run = channel.run(request('r1', { stdin: Buffer.from('a\nb'), graceSeconds: 1, windowBytes: 100 }), sink)
  t.match(runner.requests, [{ do: 'run', id: 'r1', argv: ['dig', 'r1'], seconds: 5, grace: 1, window: 100, bytes: 3 }])
  t.equal(String(runner.payloads[0]), 'a\nb')
  runner.say(Buffer.concat([frame({ started: 'r1', pid: 7 }), output('r1', 'ans'), output('r1', 'oh', 'stderr'), output('r1', 'wer'), ended('r1', 'answer', 'oh')]))
  await run.started
  const end = await run.ended
  t.match(end, { exitCode: 0, endCause: 'exited', durationMs: 12, maxRssBytes: 5_000_000, stdout: { bytes: 6, proven: true, whole: true }, stderr: { proven: true } })
  t.match(sink, { out: 'answer', err: 'oh' })
  t.equal(channel.runCount, 0)
})

t.test('a file that the runner reads is proven as the output of a tool is', async t => {
  const { runner, channel } = await open(t)
  const sink = collect()
  const run = channel.run(request('f1', { file: 'hosts' }), sink)
  t.strictSame(runner.requests, [{ do: 'read', id: 'f1', name: 'hosts' }])
  runner.say(Buffer.concat([frame({ started: 'f1', pid: 0 }), output('f1', '127.0.0.1 localhost\n'), ended('f1', '127.0.0.1 localhost\n', '')]))
  t.match(await run.ended, { exitCode: 0, stdout: { bytes: 20, proven: true, whole: true } })
  t.equal(sink.out, '127.0.0.1 localhost\n')
  for (const [code, expected] of [['not-found', 'EPH_NOT_FOUND'], ['unreadable', 'EPH_OUTPUT_UNREADABLE'], ['not-allowed', 'EPH_TOOL_MISSING']]) {
    const refused = channel.run(request('f2', { file: 'host.conf' }), collect())
    runner.say(frame({ error: 'f2', request: 'read', code, message: 'no' }))
    await t.rejects(refused.started, { code: expected, message: /^Cannot read "host\.conf"/ })
  }
  t.equal(channel.runCount, 0)
})

const lies: Record<string, Partial<Record<'stdout' | 'stderr', object>>> = {
  'a byte too many': { stdout: { bytes: 7, sha256: '0'.repeat(64), dropped: 0, whole: true } },
  'another hash': { stdout: { bytes: 6, sha256: '0'.repeat(64), dropped: 0, whole: true } }
}
for (const [what, lie] of Object.entries(lies)) {
  t.test(`output is not proven when the runner states ${what}`, async t => {
    const { runner, channel } = await open(t)
    const run = channel.run(request('r1'), collect())
    runner.say(Buffer.concat([frame({ started: 'r1', pid: 7 }), output('r1', 'answer'), ended('r1', 'answer', '', lie)]))
    t.match(await run.ended, { stdout: { proven: false }, stderr: { proven: true } })
  })
}

t.test('a sink that proves standard output itself is left to compare the hash', async t => {
  const { runner, channel } = await open(t)
  for (const [id, lie] of Object.values(lies).entries()) {
    const run = channel.run(request(`r${id}`), { ...collect(), provesStdout: true })
    runner.say(Buffer.concat([frame({ started: `r${id}`, pid: 7 }), output(`r${id}`, 'answer'), ended(`r${id}`, 'answer', '', lie)]))
    t.match(await run.ended, { stdout: { proven: lie === lies['another hash'] } })
  }
})

t.test('runs that alternate keep their outputs apart', async t => {
  const { runner, channel } = await open(t)
  const runs = ['a', 'b', 'c'].map(id => ({ id, sink: collect(), text: '' })).map(entry => ({ ...entry, run: channel.run(request(entry.id), entry.sink) }))
  for (const { id } of runs) runner.say(frame({ started: id, pid: 1 }))
  for (let round = 0; round < 20; round++) {
    for (const entry of runs) {
      entry.text += `${entry.id}${round};`
      runner.say(output(entry.id, `${entry.id}${round};`))
    }
  }
  for (const { id, text } of runs) runner.say(ended(id, text))
  for (const { run, sink, text } of runs) {
    t.equal((await run.ended).stdout.proven, true)
    t.equal(sink.out, text)
  }
})

t.test('credit goes back in halves of the window, when the sink has taken the bytes', async t => {
  const { runner, channel } = await open(t)
  const taken: (() => void)[] = []
  channel.run(request('r1', { windowBytes: 100 }), { stdout: () => new Promise<void>(resolve => taken.push(resolve)), stderr () {} })
  runner.say(frame({ started: 'r1', pid: 7 }))
  for (let n = 0; n < 10; n++) runner.say(output('r1', '0123456789'))
  await null
  t.equal(runner.of('credit').length, 0, 'nothing is stored yet')
  for (const take of taken.slice(0, 4)) take()
  await new Promise(setImmediate)
  t.equal(runner.of('credit').length, 0, '40 bytes are less than a half')
  taken[4]!()
  await new Promise(setImmediate)
  t.match(runner.of('credit'), [{ id: 'r1', bytes: 50 }])
})

t.test('stop names its cause, and nothing is sent once the run has ended', async t => {
  const { runner, channel } = await open(t)
  const run = channel.run(request('r1'), collect())
  run.stop('finished')
  run.stop('cancelled', 1)
  runner.say(Buffer.concat([frame({ started: 'r1', pid: 7 }), ended('r1')]))
  await run.ended
  run.stop('shutdown')
  t.same(runner.of('stop'), [{ do: 'stop', id: 'r1', cause: 'finished' }, { do: 'stop', id: 'r1', cause: 'cancelled', grace: 1 }])
})

t.test('a tool that the image lacks is EPH_TOOL_MISSING, and the channel goes on', async t => {
  const { runner, channel } = await open(t)
  const run = channel.run(request('r1'), collect())
  runner.say(frame({ error: 'r1', request: 'run', code: 'not-allowed', message: '"dig" is not on the list' }))
  await t.rejects(run.started, { code: 'EPH_TOOL_MISSING' })
  await t.rejects(run.ended, { code: 'EPH_TOOL_MISSING' })
  t.equal(channel.isOpen, true)
})

t.test('what an older runner does not know is missing in its image, not an error of ours', async t => {
  const { runner, channel } = await open(t)
  for (const [request, message] of [['read', 'no such request: "read"'], ['run', 'json: unknown field "nice"']] as const) {
    const run = channel.run({ id: 'r1', argv: ['dig'], seconds: 5, ...request === 'read' ? { file: 'hosts' as const } : {} }, collect())
    runner.say(frame({ error: 'r1', request, code: 'bad-request', message }))
    await t.rejects(run.started, { code: 'EPH_TOOL_MISSING', message: /the image is older than what is asked of it/, effect: 'none' })
  }
  const run = channel.run(request('r1'), collect())
  runner.say(frame({ error: 'r1', request: 'run', code: 'bad-request', message: 'seconds: -1' }))
  await t.rejects(run.started, { code: 'EPH_INTERNAL' })
})

t.test('a channel that ends takes its runs with it: effect none before started, unknown after', async t => {
  const { runner, channel } = await open(t)
  const waiting = channel.run(request('r1'), collect())
  const running = channel.run(request('r2'), collect())
  runner.say(frame({ started: 'r2', pid: 7 }))
  runner.end('connection reset')
  await t.rejects(waiting.started, { code: 'EPH_CHANNEL_LOST', effect: 'none' })
  await t.rejects(waiting.ended, { code: 'EPH_CHANNEL_LOST' })
  await running.started
  await t.rejects(running.ended, new ChannelLost('The channel ended while "dig" ran: connection reset'))
  t.equal(channel.isOpen, false)
  await t.rejects(channel.run(request('r3'), collect()).started, { code: 'EPH_CHANNEL_LOST' })
  await t.rejects(channel.closeContainer(), { code: 'EPH_CHANNEL_LOST' })
})

const started = frame({ started: 'r1', pid: 7 })
const violations: Record<string, Buffer> = {
  'no JSON': Buffer.from('sh: not found\n'),
  'output of an unknown run': output('r9', 'x'),
  'an end of an unknown run': ended('r9'),
  'output before started': output('r1', 'x'),
  'an end before started': ended('r1'),
  'started twice': Buffer.concat([started, started]),
  'output after the end': Buffer.concat([started, ended('r1'), output('r1', 'x')]),
  'output beyond the window': Buffer.concat([started, output('r1', 'x'.repeat(101))]),
  'more standard error than its limit': Buffer.concat([started, output('r1', 'x'.repeat(51), 'stderr')]),
  'a second hello': frame({ hello }),
  'a refused frame of ours': frame({ error: '', request: '', code: 'bad-frame', message: 'what?' })
}
for (const [what, bytes] of Object.entries(violations)) {
  t.test(`${what} ends the channel with a clear reason`, async t => {
    const { runner, channel } = await open(t)
    const run = channel.run(request('r1', { windowBytes: 100, limits: { stdout: 0, stderr: 50 } }), collect())
    const other = channel.run(request('r2'), collect())
    runner.say(bytes)
    t.equal(runner.isCut, true)
    await t.rejects(other.ended, { code: 'EPH_CHANNEL_LOST', message: /broke the protocol|refuses/ })
    await Promise.allSettled([run.ended])
  })
}

const failures: Record<string, RunSink['stdout']> = {
  throws: () => { throw new Error('disk full') },
  rejects: () => Promise.reject(new Error('disk full'))
}
for (const [how, stdout] of Object.entries(failures)) {
  t.test(`a sink that ${how} ends its run alone`, async t => {
    const { runner, channel } = await open(t)
    const run = channel.run(request('r1'), { stdout, stderr () {} })
    const other = channel.run(request('r2'), collect())
    runner.say(Buffer.concat([started, output('r1', 'x'), output('r1', 'y')]))
    await t.rejects(run.ended, { message: 'disk full' })
    t.match(runner.of('stop'), [{ id: 'r1', cause: 'cancelled', grace: 0 }])
    runner.say(Buffer.concat([ended('r1', 'xy'), frame({ started: 'r2', pid: 8 }), ended('r2')]))
    t.equal((await other.ended).exitCode, 0)
    t.equal(channel.runCount, 0)
  })
}

t.test('pings go out, and a channel without pongs is cut', async t => {
  const times = { helloMs: 1000, pingEveryMs: 10, deadAfterMs: 60 }
  const lively = await open(t, createFakeRunner((request, say) => { if (request.do === 'ping') say(frame({ pong: request.n })) }), times)
  const { runner, channel } = await open(t, createFakeRunner(), times)
  const run = channel.run(request('r1'), collect())
  runner.say(started)
  await t.rejects(run.ended, { name: 'ChannelLost', message: /no answer/ })
  t.equal(runner.isCut, true)
  t.ok(runner.of('ping').length > 1)
  t.equal(lively.channel.isOpen, true)
})

t.test('what sends no hello is no channel', async t => {
  const connect: Connect = async handlers => {
    handlers.end('exec: "/ephemera/runner": no such file or directory')
    return { send () {}, close () {}, terminate () {} }
  }
  await t.rejects(openChannel(connect, () => {}, channelTimes, never), { message: /no such file/ })
  const mute: Connect = async () => ({ send () {}, close () {}, terminate () {} })
  await t.rejects(openChannel(mute, () => {}, { ...channelTimes, helloMs: 20 }, never), { message: /no hello/ })
  const chatty: Connect = async handlers => {
    queueMicrotask(() => handlers.stdout(started))
    return { send () {}, close () {}, terminate () {} }
  }
  await t.rejects(openChannel(chatty, () => {}, channelTimes, never), { message: /before hello/ })
  await t.rejects(openChannel(mute, () => {}, channelTimes, AbortSignal.timeout(10)), { message: /nobody waits/ })
})

t.test('at most 64 runs share a channel', async t => {
  const { channel } = await open(t)
  const runs = Array.from({ length: 64 }, (_, n) => channel.run(request(`r${n}`), collect()))
  await t.rejects(channel.run(request('r64'), collect()).started, { code: 'EPH_CHANNEL_LOST', message: /64 runs/ })
  t.equal(channel.runCount, 64)
  channel.close('end of test')
  await Promise.allSettled(runs.map(run => run.ended))
})

t.test('closing the container waits for the runner, and for the end of its runs', async t => {
  let busy = true
  const { channel } = await open(t, createFakeRunner((request: Request, say) => {
    if (request.do === 'close') say(frame(busy ? { error: '', request: 'close', code: 'busy', message: '1 run is under way' } : { closed: true, holder: 1 }))
  }))
  await t.rejects(channel.closeContainer(), { code: 'EPH_CONFLICT' })
  busy = false
  await channel.closeContainer()
  t.equal(channel.isOpen, false)
})

t.test('a retired channel takes no new run and closes with its last one', async t => {
  const { runner, channel } = await open(t)
  const run = channel.run(request('r1'), collect())
  channel.retire()
  t.equal(channel.isOpen, false)
  t.equal(runner.isCut, false)
  await t.rejects(channel.run(request('r2'), collect()).started, { code: 'EPH_CHANNEL_LOST' })
  runner.say(Buffer.concat([started, ended('r1')]))
  const end: RunEnd = await run.ended
  t.equal(end.stdout.proven, true)
  t.equal(runner.isCut, true)
})

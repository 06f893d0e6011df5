import { setTimeout as sleep } from 'node:timers/promises'
import { t, type Test } from 'tap'
import type { ContainerPlace } from '#core/ports/channel.ts'
import { channelTimes, openChannel, type RunnerChannel } from '../../src/kubernetes/channel.ts'
import { createChannels, poolLimits, type PoolLimits } from '../../src/kubernetes/channels.ts'
import { createFakeRunner, ended, frame } from './fake-runner.ts'

const never = new AbortController().signal
const place = (container: string, node = 'n1'): ContainerPlace => ({ namespace: 'shop', pod: 'web', podUid: 'u1', node, container })
const sink = { stdout () {}, stderr () {} }
const request = (id: string) => ({ id, argv: ['dig'], seconds: 5 })

function pool (t: Test, limits: Partial<PoolLimits> = {}, before: (signal: AbortSignal) => Promise<void> = async () => {}) {
  const made: { runner: ReturnType<typeof createFakeRunner>, channel: RunnerChannel }[] = []
  const counts = { started: 0, inFlight: 0, most: 0 }
  const channels = createChannels(async (_, changed, signal) => {
    counts.started++
    counts.most = Math.max(counts.most, ++counts.inFlight)
    try {
      await before(signal)
      const runner = createFakeRunner()
      const channel = await openChannel(runner.connect, changed, channelTimes, signal)
      made.push({ runner, channel })
      return channel
    } finally {
      counts.inFlight--
    }
  }, async () => 'unknown', { ...poolLimits, ...limits })
  t.teardown(() => channels.close())
  return { channels, made, counts }
}

t.test('one channel serves everybody who asks for the same container', async t => {
  const { channels, counts } = pool(t)
  const [first, second] = await Promise.all([channels.open(place('a'), never), channels.open(place('a'), never)])
  t.equal(first, second)
  t.equal(await channels.open(place('a'), never), first)
  t.not(await channels.open(place('b'), never), first)
  t.equal(counts.started, 2)
})

t.test('what the runner said last is known of each node', async t => {
  const { channels } = pool(t)
  t.same([...channels.hellos().keys()], [])
  for (const [container, node] of [['a', 'n1'], ['b', 'n1'], ['c', 'n2']] as const) await channels.open(place(container, node), never)
  t.same([...channels.hellos()].map(([node, { landlock }]) => [node, landlock]), [['n1', 6], ['n2', 6]])
})

t.test('one who gives up does not end what others wait for; the last one does', async t => {
  const { channels, counts } = pool(t, {}, signal => sleep(50, undefined, { signal }))
  const impatient = new AbortController()
  const [early, late] = [channels.open(place('a'), impatient.signal), channels.open(place('a'), never)]
  impatient.abort(new Error('changed my mind'))
  await t.rejects(early, { message: 'changed my mind' })
  t.equal((await late).hello.protocol, 1)

  const alone = new AbortController()
  const only = channels.open(place('b'), alone.signal)
  alone.abort(new Error('enough'))
  await t.rejects(only, { message: 'enough' })
  await sleep(10)
  t.equal(counts.inFlight, 0, 'the opening was ended')
})

t.test('a lost channel is opened anew', async t => {
  const { channels, made } = pool(t)
  const first = await channels.open(place('a'), never)
  made[0]!.runner.end('reset')
  t.not(await channels.open(place('a'), never), first)
})

t.test('an opening that fails is heard by all who wait, and tried again for the next', async t => {
  let isBroken = true
  const { channels } = pool(t, {}, async () => { if (isBroken) throw new Error('no') })
  const both = await Promise.allSettled([channels.open(place('a'), never), channels.open(place('a'), never)])
  t.same(both.map(({ status }) => status), ['rejected', 'rejected'])
  isBroken = false
  t.equal((await channels.open(place('a'), never)).hello.protocol, 1)
})

t.test('an old channel takes no new run, and ends with its last one', async t => {
  const { channels, made } = pool(t, { maxAgeMs: 20 })
  const old = await channels.open(place('a'), never)
  const run = old.run(request('r1'), sink)
  await sleep(30)
  t.not(await channels.open(place('a'), never), old)
  const { runner } = made[0]!
  t.equal(runner.isCut, false)
  runner.say(Buffer.concat([frame({ started: 'r1', pid: 1 }), ended('r1')]))
  t.equal((await run.ended).exitCode, 0)
  t.equal(runner.isCut, true)
})

t.test('an idle channel closes, one with a run does not', async t => {
  const { channels, made } = pool(t, { idleMs: 20 })
  const [busy] = [await channels.open(place('a'), never), await channels.open(place('b'), never)]
  const run = busy.run(request('r1'), sink)
  await sleep(60)
  const [a, b] = made
  t.equal(b!.runner.isCut, true)
  t.equal(a!.runner.isCut, false)
  a!.runner.say(Buffer.concat([frame({ started: 'r1', pid: 1 }), ended('r1')]))
  await run.ended
  await sleep(60)
  t.equal(a!.runner.isCut, true)
})

t.test('the oldest idle channel makes room; without one the pool is full', async t => {
  const { channels, made } = pool(t, { maxChannels: 2 })
  await channels.open(place('a'), never)
  await sleep(5)
  const second = await channels.open(place('b'), never)
  const third = await channels.open(place('c'), never)
  t.equal(made[0]!.runner.isCut, true, 'a was idle for longest')
  second.run(request('r1'), sink)
  third.run(request('r2'), sink)
  await t.rejects(channels.open(place('d'), never), { code: 'EPH_CHANNEL_LOST', message: /none is idle/ })
})

t.test('openings are limited for each node', async t => {
  const { channels, counts } = pool(t, { openingsPerNode: 2 }, () => sleep(10))
  await Promise.all(Array.from({ length: 6 }, (_, n) => channels.open(place(`c${n}`), never)))
  t.equal(counts.most, 2)
  counts.most = 0
  await Promise.all(['n1', 'n1', 'n2', 'n2'].map((node, n) => channels.open(place(`d${n}`, node), never)))
  t.equal(counts.most, 4)
})

t.test('close ends channels and openings, and nothing opens after it', async t => {
  const { channels, made } = pool(t, {}, signal => made.length > 0 ? sleep(10_000, undefined, { signal }) : Promise.resolve())
  await channels.open(place('a'), never)
  const opening = channels.open(place('b'), never)
  opening.catch(() => {})
  await channels.close()
  t.equal(made[0]!.runner.isCut, true)
  await t.rejects(opening)
  await t.rejects(channels.open(place('c'), never), { code: 'EPH_SHUTDOWN' })
})

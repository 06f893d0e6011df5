import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { capture, drive, lookup } from '../support/drive.ts'
import { waiting } from '../support/fake-channels.ts'
import { caller } from '../support/fake-ports.ts'

t.test('cancel 0-5 ms after the launch ends the job within 2 s, 100 of 100', async t => {
  const { channels, launch, final, useCases, database } = drive(t)
  channels.play = waiting
  let inTime = 0
  for (let round = 0; round < 100; round++) {
    const { id } = await launch()
    if (round % 6 > 0) await delay(round % 6)
    const asked = performance.now()
    await useCases.cancel(caller, id)
    const { state, verdict, pod } = await final(id)
    if (performance.now() - asked < 2000 && state === 'cancelled' && verdict === null && pod.error?.code === 'EPH_CANCELLED') inTime++
  }
  t.equal(inTime, 100)
  t.ok([...database.runs.values()].every(({ run }) => run.endedAt !== null), 'no run goes on')
  t.ok([...database.runs.values()].every(({ run }) => run.endCause === null || run.completeness?.reason === 'cancelled'))
})

t.test('a tool is asked to end with a grace of 1 s', async t => {
  const { channels, launch, final, event, useCases } = drive(t)
  let orders: unknown
  channels.play = tool => {
    orders = tool.orders
    return waiting(tool)
  }
  const { id } = await launch()
  await event(id, ({ type }) => type === 'run')
  await useCases.cancel(caller, id)
  const { pod } = await final(id)
  t.same(orders, [{ cause: 'cancelled', graceSeconds: 1 }])
  t.match(pod.runs[0], { endCause: 'cancelled', completeness: { state: 'truncated', reason: 'cancelled' } })
})

t.test('a channel that says nothing any more does not hold a cancel up', async t => {
  const { channels, launch, final, event, useCases } = drive(t)
  channels.play = tool => { tool.start() }
  const { id } = await launch()
  await event(id, ({ type }) => type === 'run')
  const asked = performance.now()
  await useCases.cancel(caller, id)
  const { state } = await final(id)
  t.equal(state, 'cancelled')
  t.ok(performance.now() - asked < 2000)
})

t.test('a store that takes nothing does not hold a cancel up, and what it took is kept', async t => {
  const { channels, bucket, database, launch, final, event, useCases } = drive(t)
  const stuck = new Promise<void>(() => {})
  channels.play = async tool => {
    tool.start()
    await tool.say('stderr', 'listening')
    tool.say('stdout', Buffer.alloc(8 << 20, 1)).catch(() => {})
    while (bucket.objects.size === 0) await delay(5)
    bucket.putting = () => stuck
    tool.say('stdout', Buffer.alloc(8 << 20, 2)).catch(() => {})
    await waiting(tool)
  }
  const { id } = await launch({ diagnostic: 'capture' })
  await event(id, ({ data }) => data.phase === 'listening')
  while (database.artifacts.size === 0 || [...database.artifacts.values()][0]!.segments.length === 0) await delay(5)
  const asked = performance.now()
  await useCases.cancel(caller, id)
  const { state, pod } = await final(id)
  t.equal(state, 'cancelled')
  t.ok(performance.now() - asked < 2000, `${Math.round(performance.now() - asked)} ms`)
  t.match(pod.runs[0], { endCause: 'cancelled' })
  const { artifact } = [...database.artifacts.values()][0]!
  t.match(artifact, { state: 'sealed', sizeBytes: 8 << 20, completeness: { state: 'truncated', reason: 'cancelled' } })
})

t.test('cancelling while a channel opens leaves nothing behind', async t => {
  const { channels, launch, final, useCases, database } = drive(t)
  const opening = Promise.withResolvers<void>()
  channels.opening = () => opening.promise
  const { id } = await launch()
  await delay(20)
  await useCases.cancel(caller, id)
  await delay(150)
  opening.resolve()
  const { state, pod } = await final(id)
  t.equal(state, 'cancelled')
  t.match(pod.error, { code: 'EPH_CANCELLED', effect: 'none' })
  t.equal(database.runs.size, 0)
})

t.test('a cancelled job stays as it is when it is cancelled again, and so does a final one', async t => {
  const { launch, final, useCases } = drive(t, { works: false })
  const { id } = await launch()
  t.equal((await useCases.cancel(caller, id)).state, 'cancelled')
  t.equal((await useCases.cancel(caller, id)).state, 'cancelled')
  t.equal((await final(id)).pod.runs.length, 0)
  const other = drive(t)
  const done = await other.run()
  t.equal((await other.useCases.cancel(caller, done.id)).state, 'succeeded')
})

t.test('between two tools a cancel begins nothing more', async t => {
  const between = Promise.withResolvers<void>()
  const diagnostic = lookup({
    async measure (probe) {
      await probe.run(['dig', 'one'])
      await between.promise
      await probe.run(['dig', 'two'])
      return {}
    }
  })
  const { launch, final, event, useCases, channels } = drive(t, { diagnostics: [diagnostic, capture()] })
  const { id } = await launch()
  await event(id, ({ data }) => data.phase === 'ended')
  await useCases.cancel(caller, id)
  await delay(150)
  between.resolve()
  const { state, pod } = await final(id)
  t.equal(state, 'cancelled')
  t.match(pod.error, { code: 'EPH_CANCELLED' })
  t.equal(channels.requests.length, 1)
})

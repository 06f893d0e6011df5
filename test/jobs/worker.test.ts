import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import { capture, drive, lookup } from '../support/drive.ts'
import { answering, waiting } from '../support/fake-channels.ts'
import { caller } from '../support/fake-ports.ts'

t.test('no more is claimed than may run at once', async t => {
  const { channels, launch, final } = drive(t, { policy: { concurrency: 2 } })
  let running = 0
  let most = 0
  channels.play = async tool => {
    most = Math.max(most, ++running)
    tool.start()
    await delay(20)
    running--
    tool.end()
  }
  const jobs = await Promise.all(Array.from({ length: 7 }, () => launch()))
  await Promise.all(jobs.map(({ id }) => final(id)))
  t.equal(most, 2)
})

t.test('a claim that another attempt owns is stopped, and writes no result', async t => {
  const { channels, launch, event, database, useCases } = drive(t)
  const stopped = Promise.withResolvers<unknown>()
  channels.play = async tool => {
    tool.start()
    stopped.resolve(await tool.stopped)
    tool.end({ endCause: 'cancelled' })
  }
  const { id } = await launch()
  await event(id, ({ data }) => data.phase === 'started')
  database.jobs.steal(id)
  t.match(await stopped.promise, { cause: 'cancelled' })
  await delay(50)
  const { state, pods } = await useCases.job(caller, id)
  t.equal(state, 'running')
  t.match(pods.items[0], { error: null, report: null })
})

t.test('an attempt that fails for the cluster is made again, 3 times in all', async t => {
  const { cluster, launch, final, worker } = drive(t, { works: false })
  const { id } = await launch()
  await delay(300) // longer than a reading is used again
  let readings = 0
  cluster.reader.pod = async () => {
    readings++
    throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot reach the Kubernetes API')
  }
  await worker.start()
  const { state, pod } = await final(id)
  t.equal(state, 'failed')
  t.match(pod.error, { code: 'EPH_CLUSTER_UNAVAILABLE', retryable: 'later' })
  t.equal(readings, 3)
})

t.test('a result survives that the database is away for a moment', async t => {
  const { channels, database, launch, event, final } = drive(t)
  const end = Promise.withResolvers<void>()
  channels.play = async tool => {
    tool.start()
    await tool.say('stdout', 'bad')
    await end.promise
    tool.end()
  }
  const { id } = await launch()
  await event(id, ({ data }) => data.phase === 'started')
  database.state.isDown = true
  end.resolve()
  await delay(500)
  database.state.isDown = false
  t.match(await final(id), { state: 'succeeded', verdict: 'fail' })
})

t.test('when it stops, tools may end within the grace', async t => {
  const { channels, launch, event, worker, useCases } = drive(t)
  channels.play = async tool => {
    tool.start()
    await delay(200)
    await answering()(tool)
  }
  const { id } = await launch()
  await event(id, ({ data }) => data.phase === 'started')
  await worker.stop(5)
  t.equal((await useCases.job(caller, id)).state, 'succeeded')
})

t.test('what does not end is stopped, and left to another worker if it may be repeated', async t => {
  for (const retrySafe of [true, false]) {
    const { channels, launch, event, worker, useCases } = drive(t, { diagnostics: [lookup({ retrySafe })] })
    channels.play = waiting
    const { id } = await launch()
    await event(id, ({ data }) => data.phase === 'started')
    await worker.stop(0.1)
    const { state, pods: { items: [pod] } } = await useCases.job(caller, id)
    t.equal(state, retrySafe ? 'queued' : 'failed')
    t.match(pod!.runs[0]!.completeness, { state: 'truncated', reason: 'shutdown' })
    if (!retrySafe) t.equal(pod!.error?.code, 'EPH_SHUTDOWN')
  }
})

t.test('a queue that cannot be left keeps no tool from being stopped', async t => {
  const { channels, launch, event, worker, context } = drive(t, { works: false })
  const stuck = Promise.withResolvers<void>()
  t.teardown(() => { stuck.resolve() })
  context.wake.listen = async () => async () => { await stuck.promise }
  channels.play = waiting
  const { id } = await launch()
  await worker.start()
  await event(id, ({ data }) => data.phase === 'started')
  const stopped = worker.stop(0.1)
  await event(id, ({ data }) => data.endCause === 'shutdown')
  stuck.resolve()
  await stopped
})

t.test('what had not begun goes back at once, also what must not run twice', async t => {
  const { channels, launch, worker, useCases } = drive(t, { diagnostics: [capture()] })
  channels.opening = async () => { await delay(100) }
  const { id } = await launch({ diagnostic: 'capture' })
  await delay(20)
  await worker.stop(10)
  t.equal((await useCases.job(caller, id)).state, 'queued')
})

t.test('after it has stopped it claims nothing', async t => {
  const { launch, worker, useCases } = drive(t)
  await launch()
  await worker.stop(1)
  const { id } = await launch()
  await delay(50)
  t.equal((await useCases.job(caller, id)).state, 'queued')
})

t.test('the time of a measurement begins when its session is there, and runs out between tools too', async t => {
  const slow = lookup({
    async measure (probe) {
      await probe.run(['dig', 'one'])
      await delay(1100)
      await probe.run(['dig', 'two'])
      return {}
    }
  })
  const { channels, run } = drive(t, { diagnostics: [slow] })
  channels.opening = async () => { await delay(300) }
  const { state, pod } = await run({ timeoutSeconds: 1 })
  t.equal(state, 'failed')
  t.equal(pod.error?.code, 'EPH_RUN_TIMEOUT')
  t.equal(pod.runs.length, 1)
  t.ok(channels.requests[0]!.seconds > 0.9, 'opening the session took none of it')
})

t.test('what is sent: argv as it is, limits of 1 MiB, and captures bounded by their window alone', async t => {
  const { channels, run } = drive(t)
  await run()
  t.match(channels.requests[0], { argv: ['dig', 'web'], limits: { stdout: 1 << 20, stderr: 1 << 20 } })
  await run({ diagnostic: 'capture' })
  t.match(channels.requests[1], { argv: ['tcpdump'], limits: { stdout: 0 }, windowBytes: 4 << 20, stopAfterSeconds: 600, graceSeconds: 5 })
})

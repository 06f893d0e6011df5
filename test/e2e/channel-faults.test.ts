import { setTimeout as sleep } from 'node:timers/promises'
import { t } from 'tap'
import type { Channel } from '#core/ports/channel.ts'
import { findPod, labCluster, labServer, newContainer, placeOf, runOn } from '../support/cluster.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { makeNamespace, makePod } from '../support/lab.ts'

const proxy = await createFaultProxy(t, labServer())
const direct = labCluster(t)
const faulty = labCluster(t, { port: proxy.port, requestTimeoutMs: 2000, channelTimes: { pingEveryMs: 200, deadAfterMs: 1500 } })
const namespace = makeNamespace(t)
const pod = await findPod(direct, namespace, makePod(namespace))
const container = newContainer()
await direct.injector.inject(pod, container)
const place = placeOf(pod, container)
const watching = await direct.channels.open(place, AbortSignal.timeout(30_000))

const isListening = async (port: number) => (await runOn(watching, ['ss', '-ltn'])).out.includes(`:${port} `)

async function listen (channel: Channel, port: number) {
  const run = channel.run({ id: `listen-${port}`, argv: ['nc', '-l', `${port}`], seconds: 300 }, { stdout () {}, stderr () {} })
  await run.started
  while (!await isListening(port)) await sleep(50)
  return run
}

/** Milliseconds until the tool no longer runs in the pod. */
async function goneAfter (port: number, limitMs: number): Promise<number> {
  const since = Date.now()
  while (await isListening(port)) {
    if (Date.now() - since > limitMs) return Infinity
    await sleep(200)
  }
  return Date.now() - since
}

t.test('a cut socket loses the run here and ends the tool there', async t => {
  const channel = await faulty.channels.open(place, AbortSignal.timeout(10_000))
  const run = await listen(channel, 9001)
  proxy.cut()
  await t.rejects(run.ended, { name: 'ChannelLost' })
  t.ok(await goneAfter(9001, 5000) < 5000)
  t.equal(await faulty.channels.postMortem(place), 'unknown', 'the container lives on')
  const again = await faulty.channels.open(place, AbortSignal.timeout(10_000))
  t.equal((await runOn(again, ['ip', 'address'])).exitCode, 0, 'the next channel works')
})

t.test('a half-open connection is noticed on both ends', async t => {
  const channel = await faulty.channels.open(place, AbortSignal.timeout(10_000))
  const run = await listen(channel, 9002)
  proxy.blackhole()
  await t.rejects(run.ended, { name: 'ChannelLost', message: /no answer for 1.5 s/ })
  await t.rejects(faulty.reader.pod(namespace, pod.name), { code: 'EPH_CLUSTER_UNAVAILABLE' })
  const aborted = AbortSignal.timeout(500)
  await t.rejects(faulty.channels.open(place, aborted), aborted.reason)
  t.ok(await goneAfter(9002, 65_000) < 65_000, 'the runner ends by itself after a minute of silence')
  proxy.heal()
  proxy.cut()
})

t.test('a connection that is slow and thin still proves its output', async t => {
  proxy.delay(20)
  proxy.limit(4_000_000)
  const channel = await faulty.channels.open(place, AbortSignal.timeout(10_000))
  const { stdout } = await runOn(channel, ['curl', '-s', 'http://127.0.0.1:8080/?bytes=3000000'])
  t.match(stdout, { bytes: 3_000_000, proven: true, whole: true })
  proxy.delay(0)
  proxy.limit(0)
})

t.test('without an API server every call says so', async t => {
  proxy.refuse(true)
  proxy.cut()
  await t.rejects(faulty.reader.pod(namespace, pod.name), { code: 'EPH_CLUSTER_UNAVAILABLE' })
  await t.rejects(faulty.injector.dryRun(pod, newContainer()), { code: 'EPH_CLUSTER_UNAVAILABLE' })
  t.equal(await faulty.channels.postMortem(place), 'unknown')
  proxy.refuse(false)
  await faulty.check()
  t.equal((await faulty.reader.pod(namespace, pod.name))?.uid, pod.uid, 'and works again')
})

import t from 'tap'
import { once } from 'node:events'
import { connect } from 'node:net'
import { expectedOutput } from '../commands.ts'
import { befalls } from '../strike.ts'
import { openStage, runsOf } from './stage.ts'

const stage = await openStage(t, { workers: 2, pods: 4 })
/** More than the sockets on the way take. */
const maxBytes = 64 << 20
const { client, launch, executed, executions, servers: { redis }, place, workers, api } = stage
const met = () => workers.reduce((sum, { answers }) => sum + answers.bucket.met, 0)
const countOf = (word: string) => executions.filter(execution => execution.word === word).length

t.test('jobs that were acknowledged without a queue, or before it forgot everything, run once', async t => {
  await redis.stop()
  const launched = await Promise.all(Array.from({ length: 6 }, () => launch('once', { seconds: 1 })))
  await redis.start()
  launched.push(...await Promise.all(Array.from({ length: 6 }, () => launch('once', { seconds: 1 }))))
  await redis.stop()
  await redis.start()
  for (const { job, word } of launched) {
    t.equal((await client.final(job.id, 60)).state, 'succeeded')
    t.equal(countOf(word), 1)
  }
})

t.test('a job whose API is killed before it could wake anybody is found by the sweep', async t => {
  api.proxies.queue.blackhole()
  const { job, word } = await launch('once', { seconds: 1 })
  await api.kill(0)
  api.proxies.queue.heal()
  api.proxies.queue.cut()
  t.equal((await client.final(job.id, 60)).state, 'succeeded')
  t.equal(countOf(word), 1)
})

for (const what of ['busy', 'broken', 'forbidden', 'unheard', 'late'] as const) {
  t.test(`a bucket that is ${what} for a while costs a capture nothing`, async t => {
    const before = met()
    const { job, word } = await launch('capture', { seconds: 6 })
    await executed(word)
    for (const worker of workers) worker.answers.bucket.befall(() => befalls('bucket', what))
    await new Promise(resolve => setTimeout(resolve, 4000))
    for (const worker of workers) worker.answers.bucket.befall(null)
    const done = await client.final(job.id, 60)
    t.equal(done.state, 'succeeded', JSON.stringify(done.pods.items[0]?.error))
    const [run] = runsOf(done)
    t.same(run!.completeness, { state: 'complete', reason: null })
    const content = await client.bytes(`/v1/artifacts/${run!.artifacts[0]!.id}/content`)
    t.same(content, expectedOutput({ kind: 'capture', word, seconds: 0, lines: 0 }, content.length))
    t.ok(met() > before, 'requests met the fault')
  })
}

t.test('a reader that takes nothing does not hold a capture up', async t => {
  const argv = ['bash', '-c', 'echo listening >&2; while :; do printf "%04095d\\n" 0; done']
  const target = { namespace: place.namespace, pod: place.pods[0]! }
  const job = await client.launch({ diagnostic: 'test-capture', image: 'toolbox-test', target, params: { argv, maxBytes } })
  await client.events(job.id, ({ type, data }) => type === 'artifact' && data.phase === 'growing')
  const [{ artifacts } = { artifacts: [] }] = runsOf((await client.call<typeof job>('GET', `/v1/jobs/${job.id}`)).body)
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(client.url).port) })
  await once(socket, 'connect')
  socket.write(`GET /v1/artifacts/${artifacts[0]!.id}/content?follow=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${client.token}\r\n\r\n`)
  socket.pause()
  const done = await client.final(job.id, 60)
  socket.destroy()
  t.same(runsOf(done)[0]!.completeness, { state: 'complete', reason: null })
  t.ok(runsOf(done)[0]!.artifacts[0]!.sizeBytes >= maxBytes)
})

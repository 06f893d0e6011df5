import t from 'tap'
import { createRandom } from '../../schedules/random.ts'
import { untilToolsEnded } from '../../support/container-processes.ts'
import { makePod } from '../../support/lab.ts'
import { expectedOutput } from '../commands.ts'
import { containersOf, deletePod, errorOf, openStage, runsOf } from './stage.ts'

const stage = await openStage(t, { workers: 1, pods: 1 })
const { client, place, launch, executed, executions } = stage
const [worker] = stage.workers
const { cluster: proxy } = worker!.proxies

t.test('a connection that is cut behind any byte leaves what came, labelled, and is never complete', async t => {
  const random = createRandom(Date.now(), 'bytes')
  const pod = place.pods[0]!
  for (let round = 0; round < 5; round++) {
    const { job, word } = await launch('capture', { pod, seconds: 30 })
    await executed(word)
    const bytes = random.integer(0, 6000)
    proxy.cutAfter(bytes)
    const done = await client.final(job.id, 90)
    t.equal(errorOf(done), 'EPH_INDETERMINATE', `cut behind ${bytes} bytes`)
    const [run] = runsOf(done)
    t.same(run!.completeness, { state: 'truncated', reason: 'disconnected' })
    const [artifact] = run!.artifacts
    const content = artifact ? await client.bytes(`/v1/artifacts/${artifact.id}/content`) : Buffer.alloc(0)
    t.equal(content.length, run!.streams[0]!.storedBytes)
    t.same(content, expectedOutput({ kind: 'capture', word, seconds: 0, lines: 0 }, content.length))
    t.equal(executions.filter(execution => execution.word === word).length, 1)
  }
  await untilToolsEnded(place.namespace, pod, { seconds: 70 })
})

t.test('a pod that is deleted while its tool runs is gone, and what it had said is kept', async t => {
  const pod = makePod(place.namespace)
  const { job, word } = await launch('capture', { pod, seconds: 60 })
  await executed(word)
  await client.events(job.id, ({ type, data }) => type === 'run' && data.phase === 'listening')
  await new Promise(resolve => setTimeout(resolve, 3000)) // two pieces of evidence
  deletePod(stage, pod)
  const done = await client.final(job.id, 90)
  t.equal(errorOf(done), 'EPH_POD_GONE')
  const [run] = runsOf(done)
  t.same(run!.completeness, { state: 'truncated', reason: 'disconnected' })
  t.ok(run!.artifacts[0]!.sizeBytes > 0)
  t.equal((await client.bytes(`/v1/artifacts/${run!.artifacts[0]!.id}/content`)).length, run!.artifacts[0]!.sizeBytes)
})

t.test('in a pod that was recreated under the same name nothing is executed', async t => {
  const pod = makePod(place.namespace)
  worker!.proxies.database.refuse(true)
  worker!.proxies.database.cut()
  const { job, word } = await launch('quick', { pod })
  deletePod(stage, pod)
  makePod(place.namespace, { name: pod })
  worker!.proxies.database.refuse(false)
  const done = await client.final(job.id, 60)
  t.equal(errorOf(done), 'EPH_POD_GONE')
  t.equal(executions.filter(execution => execution.word === word).length, 0)
  t.equal(containersOf(stage, pod).length, 0)
})

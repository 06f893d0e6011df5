import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { untilToolsEnded } from '../support/container-processes.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const namespace = makeNamespace(t)
const ticks = ['sh', '-c', 'echo listening >&2; while :; do echo tick; sleep 0.05; done']

async function capturing (dataDir: string, env: Record<string, string> = {}) {
  const service = await startService({ env: { ...labEnvironment(), ...env }, dataDir })
  const pod = makePod(namespace)
  const job = await service.launch({ diagnostic: 'test-capture', image: 'toolbox-test', target: { namespace, pod }, params: { argv: ticks } })
  await service.events(job.id, event => event.type === 'run' && event.data.phase === 'listening')
  await delay(4000)
  return { service, pod, job }
}

async function folder (t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'ephemera-test-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
  return dataDir
}

t.test('SIGTERM during a capture that outlasts the grace ends it, keeps what came, and history outlives the process', async t => {
  const dataDir = await folder(t)
  const { service, pod, job } = await capturing(dataDir, { EPHEMERA_SHUTDOWN_GRACE_SECONDS: '1' })
  const code = await service.stop('SIGTERM')
  t.equal(code, 0)
  await untilToolsEnded(namespace, pod, { seconds: 5 })

  const again = await startService({ env: labEnvironment(), dataDir })
  t.teardown(() => again.stop())
  const done = await again.final(job.id, 10)
  const [run] = done.pods.items[0]!.runs
  t.match(done, { state: 'failed', pods: { items: [{ error: { code: 'EPH_SHUTDOWN', retryable: 'now' } }] } })
  t.same(run!.completeness, { state: 'truncated', reason: 'shutdown' })
  t.ok(run!.artifacts[0]!.sizeBytes > 100)
  t.equal((await again.bytes(`/v1/artifacts/${run!.artifacts[0]!.id}/content`)).length, run!.artifacts[0]!.sizeBytes)
})

t.test('a second signal ends a drain that is under way at once, and nothing runs on in the pod', async t => {
  const { service, pod } = await capturing(await folder(t), { EPHEMERA_SHUTDOWN_GRACE_SECONDS: '600' })
  service.child.kill('SIGTERM')
  while (!service.log().includes('Stopping')) await delay(20)
  t.equal(await service.stop('SIGTERM'), 1)
  await untilToolsEnded(namespace, pod, { seconds: 60, channelsToo: true })
})

t.test('SIGKILL during a capture leaves all but 2 s, says so, and nothing runs on in the pod', async t => {
  const dataDir = await folder(t)
  const { service, pod, job } = await capturing(dataDir)
  await service.stop('SIGKILL')
  const ended = await untilToolsEnded(namespace, pod, { seconds: 60, channelsToo: true })
  t.comment(`tools ended ${Math.round(ended)} ms after the kill`)

  const again = await startService({ env: labEnvironment(), dataDir })
  t.teardown(() => again.stop())
  const done = await again.final(job.id, 90)
  t.match(done, { state: 'failed', pods: { items: [{ error: { code: 'EPH_INDETERMINATE', effect: 'unknown' } }] } })
  const [run] = done.pods.items[0]!.runs
  t.same(run!.completeness, { state: 'truncated', reason: 'disconnected' })
  const [artifact] = run!.artifacts
  const content = await again.bytes(`/v1/artifacts/${artifact!.id}/content`)
  t.equal(content.length, artifact!.sizeBytes)
  t.ok(content.length >= 5 * 20, `${content.length} bytes of about 400 are kept`)
})

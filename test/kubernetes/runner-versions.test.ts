import { spawnSync } from 'node:child_process'
import t from 'tap'
import type { ContainerPlace } from '#core/ports/channel.ts'
import { createApi } from '../../src/kubernetes/api.ts'
import { unknownToRunner } from '../../src/kubernetes/channel-run.ts'
import { openEventually, openingTimes, spokenProtocols } from '../../src/kubernetes/open-channel.ts'
import { runOn } from '../support/cluster.ts'
import { olderRunner, openLocal, runnerOfProtocol } from '../support/local-runner.ts'
import { createFakeApiServer } from './fake-api-server.ts'

// Runners are real ones: they outlive an upgrade of the service in the sessions that live.
const place: ContainerPlace = { namespace: 'shop', pod: 'web', podUid: 'u1', node: 'n1', container: 'ephemera-1' }
const server = await createFakeApiServer(t)
const api = createApi(server.config)
t.teardown(() => api.close())
const open = (program: string) => openEventually(api, place, () => openLocal(t, program), AbortSignal.timeout(20_000), openingTimes)

const { program, commit } = await olderRunner(t)
t.comment(`the runner of ${commit}`)

t.test('an older runner does all that is asked of a runner', async t => {
  const channel = await open(program)
  t.ok(channel.hello.protocol >= spokenProtocols.oldest)
  const proven = { endCause: 'exited', exitCode: 0, stdout: { proven: true, whole: true }, stderr: { proven: true } }
  t.match(await runOn(channel, ['sh', '-c', 'cat; echo err >&2'], { stdin: Buffer.from('in'), live: true, memoryBytes: 1 << 30 }), { ...proven, out: 'in', err: 'err\n' })
  const large = await runOn(channel, ['head', '-c', '5000000', '/dev/zero'], { windowBytes: 65_536, limits: { stdout: 0, stderr: 1 << 20 } })
  t.match(large, { ...proven, stdout: { bytes: 5_000_000, proven: true } }, 'a stream through a window')
  t.match(await runOn(channel, ['sh', '-c', 'trap exit TERM; while :; do sleep 0.1; done'], { stopAfterSeconds: 0.2, graceSeconds: 5 }), { endCause: 'finished', killed: false })
  t.match(await runOn(channel, ['sleep', '60'], { seconds: 0.2 }), { endCause: 'deadline' })
  t.match(await runOn(channel, ['read', 'hosts'], { file: 'hosts' }), { ...proven, out: /localhost/ })
  for (const cause of ['cancelled', 'shutdown'] as const) {
    const run = channel.run({ id: cause, argv: ['sleep', '60'], seconds: 60 }, { stdout () {}, stderr () {} })
    await run.started
    run.stop(cause, 1)
    t.match(await run.ended, { endCause: cause })
  }
  await t.rejects(runOn(channel, ['no-such-tool']), { code: 'EPH_TOOL_MISSING', effect: 'none' })
  await t.rejects(channel.closeContainer(), { message: /no runner hold/ })
})

t.test('a runner says of what it does not know that it does not know it', async t => {
  const requests = ['{"do":"run","id":"a","argv":["true"],"seconds":1,"later":true}', '{"do":"later","id":"a"}']
  const { stdout } = spawnSync(program, ['serve'], { input: `${requests.join('\n')}\n`, encoding: 'utf8' })
  const [, ...answers] = stdout.trim().split('\n').map(line => JSON.parse(line) as { code: string, message: string })
  t.match(answers, requests.map(() => ({ code: 'bad-request', message: unknownToRunner })))
})

t.test('a runner of a protocol that is not spoken is refused, and says why', async t => {
  for (const [protocol, why] of [
    [spokenProtocols.newest + 1, 'the image is of a newer version than the service'],
    [spokenProtocols.oldest - 1, 'the image is too old for the service']
  ] as const) {
    const message = new RegExp(`its runner \\S+ speaks protocol ${protocol}, the service .*: ${why}$`)
    await t.rejects(open(await runnerOfProtocol(t, protocol)), { code: 'EPH_IMAGE_WITHOUT_RUNNER', message })
  }
})

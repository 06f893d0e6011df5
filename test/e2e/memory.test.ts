import t from 'tap'
import { images, labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)

t.test('beside an application that is larger, the tool dies for memory and the application never', async t => {
  const pod = makePod(namespace, {
    container: {
      image: images()['toolbox-test'],
      // tail keeps what it reads: about 140 MB of the pod's 256 are the application's.
      command: ['sh', '-c', '{ head -c 140000000 /dev/zero; sleep 100000; } | tail -c 139000000'],
      resources: { limits: { memory: '256Mi', cpu: '1' } }
    }
  })
  for (let round = 0; round < 3; round++) {
    const job = await service.launch({
      diagnostic: 'test-run',
      image: 'toolbox-test',
      target: { namespace, pod },
      params: { argv: ['tail', '-c', '150000000', '/dev/zero'], memoryBytes: 2 ** 30 },
      timeoutSeconds: 40
    }, { prefer: 'wait=50' })
    const [measured] = job.pods.items
    t.equal(job.state, 'failed')
    t.equal(measured!.error?.code, 'EPH_OUT_OF_MEMORY', JSON.stringify(measured!.error))
    t.match(measured!.runs[0], { completeness: { state: 'truncated', reason: 'killed' } })
    t.match(readPod(namespace, pod).status.containerStatuses, [{ restartCount: 0, ready: true }])
  }
})

t.test('a tool that meets its own limit of memory does no harm', async t => {
  const pod = makePod(namespace)
  const job = await service.launch({
    diagnostic: 'test-run', image: 'toolbox-test', target: { namespace, pod }, params: { argv: ['tail', '-c', '150000000', '/dev/zero'], memoryBytes: 64 << 20 }
  }, { prefer: 'wait=50' })
  t.not((job.pods.items[0]!.report as { exitCode: number } | null)?.exitCode, 0)
})

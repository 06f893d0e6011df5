import t from 'tap'
import type { Job } from '#core/job.ts'
import { untilToolsEnded } from '../support/container-processes.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const target = { namespace, pod }
const image = 'toolbox-test'

const run = (argv: string[], rest: Record<string, unknown> = {}): Promise<Job> =>
  service.launch({ diagnostic: 'test-run', image, target, params: { argv }, ...rest }, { prefer: 'wait=50' })
const runOf = (job: Job) => job.pods.items[0]!.runs[0]!
const errorOf = (job: Job) => job.pods.items[0]!.error?.code

t.test('a tool that is killed fails with what it had said', async t => {
  const job = await run(['sh', '-c', 'echo before; kill -9 $$'])
  t.match(job, { state: 'failed', verdict: null })
  t.equal(errorOf(job), 'EPH_TOOL_KILLED')
  t.match(runOf(job), { signal: 'SIGKILL', completeness: { state: 'truncated', reason: 'killed' } })
  const { body } = await service.call<string>('GET', `/v1/runs/${runOf(job).id}/output?stream=stdout`)
  t.equal(body, 'before\n')
})

t.test('a deadline ends the tool, one that ignores TERM too', async t => {
  const job = await run(['sh', '-c', 'trap : TERM; echo before; while :; do sleep 1; done'], { timeoutSeconds: 2 })
  t.equal(job.state, 'failed')
  t.equal(errorOf(job), 'EPH_RUN_TIMEOUT')
  t.match(runOf(job), { completeness: { state: 'truncated', reason: 'deadline' } })
  t.equal(runOf(job).streams.find(({ name }) => name === 'stdout')?.storedBytes, 7)
  await untilToolsEnded(namespace, pod, { seconds: 10 })
})

t.test('an output beyond its limit is kept up to it and is inconclusive', async t => {
  const job = await run(['head', '-c', '3000000', '/dev/zero'])
  t.match(job, { state: 'succeeded', verdict: 'inconclusive' })
  t.equal(errorOf(job), 'EPH_OUTPUT_LIMIT')
  t.match(runOf(job), { completeness: { state: 'truncated', reason: 'limit' } })
  const raw = await service.bytes(`/v1/runs/${runOf(job).id}/output?stream=stdout`)
  t.equal(raw.length > 0, true)
  t.equal(runOf(job).streams.find(({ name }) => name === 'stdout')?.storedBytes, 1 << 20)
})

t.test('any bytes come back as they were written', async t => {
  const job = await run(['sh', '-c', 'printf "a\\000b\\377\\033[2Jc"'])
  const response = await fetch(`${service.url}/v1/runs/${runOf(job).id}/output?stream=stdout`, {
    headers: { authorization: `Bearer ${service.token}`, accept: 'application/octet-stream' }
  })
  t.same(Buffer.from(await response.arrayBuffer()), Buffer.from('a\0b\xff\x1b[2Jc', 'latin1'))
  const { body } = await service.call<string>('GET', `/v1/runs/${runOf(job).id}/output?stream=stdout`)
  t.notMatch(body, /[^\P{Cc}\n\t]/u, 'text carries no control characters')
})

t.test('cancel 0-5 ms after the launch ends within 2 s, 100 of 100', async t => {
  let inTime = 0
  for (let round = 0; round < 100; round++) {
    const job = await service.launch({ diagnostic: 'test-run', image, target, params: { argv: ['sleep', '100'] } })
    await new Promise(resolve => setTimeout(resolve, round % 6))
    const asked = performance.now()
    const answer = await service.call<Job>('POST', `/v1/jobs/${job.id}/cancel`)
    t.equal(answer.status, 200)
    const ended = await service.final(job.id, 10)
    if (performance.now() - asked <= 2000 && ended.state === 'cancelled') inTime++
  }
  t.equal(inTime, 100)
  await untilToolsEnded(namespace, pod, { seconds: 5 })
})

t.test('cancelling a final job changes nothing', async t => {
  const job = await run(['true'])
  const { status, body } = await service.call<Job>('POST', `/v1/jobs/${job.id}/cancel`)
  t.equal(status, 200)
  t.equal(body.state, 'succeeded')
})

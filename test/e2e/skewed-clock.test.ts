import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { JobSummary } from '#core/job.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const main = fileURLToPath(new URL('../support/skewed-service-main.ts', import.meta.url))
const service = await startService({ env: labEnvironment(), main })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const target = { namespace, pod: makePod(namespace) }
const begun = Date.now()

t.test('a wall clock that is wrong and jumps shortens, lengthens and shifts nothing', async t => {
  const launch = (diagnostic: string, params: Record<string, unknown>, rest = {}) =>
    service.launch({ diagnostic, target, params, ...diagnostic.startsWith('test-') ? { image: 'toolbox-test' } : {}, ...rest })
  const ticks = ['sh', '-c', 'echo listening >&2; while :; do echo tick; sleep 0.05; done']
  const launched = await Promise.all([
    launch('dns-lookup', { names: ['web.shop'] }),
    launch('test-capture', { argv: ticks, durationSeconds: 8 }),
    launch('test-run', { argv: ['sh', '-c', 'sleep 4; echo done'] }),
    launch('test-run', { argv: ['sleep', '60'] }, { timeoutSeconds: 5 })
  ])
  const [lookup, capture, slow, late] = await Promise.all(launched.map(({ id }) => service.final(id, 60)))
  for (const job of [lookup, capture, slow]) t.match(job, { state: 'succeeded', verdict: 'pass' })
  t.match(late, { state: 'failed', pods: { items: [{ error: { code: 'EPH_RUN_TIMEOUT' } }] } })
  for (const job of [lookup!, capture!, slow!, late!]) {
    for (const time of [job.createdAt, job.startedAt, job.finishedAt]) t.ok(Math.abs(Date.parse(time!) - begun) < 120_000, `${time} is the database's time`)
    t.equal(job.pods.items[0]!.runs.length, 1, 'no lease was taken for over')
  }
  const [run] = capture!.pods.items[0]!.runs
  t.same(run!.completeness, { state: 'complete', reason: null })
  t.ok(run!.durationMs! >= 8000 && run!.durationMs! < 30_000, `${run!.durationMs} ms`)

  const minuteBefore = new Date(begun - 60_000).toISOString()
  const list = await service.call<{ items: JobSummary[] }>('GET', `/v1/jobs?namespace=${namespace}&createdAfter=${minuteBefore}`)
  t.equal(list.body.items.length, 4, 'found by the time they were made at')
})

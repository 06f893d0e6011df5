import t from 'tap'
import type { Job, JobRequest } from '#core/job.ts'
import type * as UseCasesModule from '#jobs/create-use-cases.ts'
import type * as WorkerModule from '#jobs/worker.ts'
import type * as DatabaseModule from '../../src/storage/database.ts'
import type * as DriveModule from '../support/drive.ts'
import type * as PortsModule from '../support/fake-ports.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { presentCode, previousCode, type Code } from '../support/previous-code.ts'
import type * as ProbeModule from '../support/recorded-probe.ts'
import { until } from '../support/until.ts'

// Two versions side by side on one database, as while an update rolls out. Each is used by what it offers to its transports.
const { emptyDatabase } = await startPostgres(t)
const url = await emptyDatabase()
const db = await connect(t, url)
const never = new AbortController().signal

/** A process of one version: its own code throughout, with pods in memory. */
async function start ({ load }: Pick<Code, 'load'>) {
  const { createDatabase } = await load<typeof DatabaseModule>('src/storage/database.ts')
  const { createUseCases } = await load<typeof UseCasesModule>('src/jobs/create-use-cases.ts')
  const { createWorker } = await load<typeof WorkerModule>('src/jobs/worker.ts')
  const { capture, lookup } = await load<typeof DriveModule>('test/support/drive.ts')
  const { app, caller, createFakePorts } = await load<typeof PortsModule>('test/support/fake-ports.ts')
  const { examplePod } = await load<typeof ProbeModule>('test/support/recorded-probe.ts')
  const database = await createDatabase({ url })
  t.teardown(() => database.close())
  const catalogue = new Map([lookup(), lookup({ name: 'once', retrySafe: false }), capture()].map(diagnostic => [diagnostic.name, diagnostic]))
  const { context, cluster, channels } = createFakePorts(catalogue)
  cluster.pods = [examplePod({ containers: [app] })]
  channels.play = async tool => {
    const [name] = tool.request.argv
    tool.start()
    if (name === 'tcpdump') await tool.say('stderr', 'listening on eth0\n')
    await tool.say('stdout', 'it is bad\n')
    if (name === 'tcpdump') await tool.stopped
    tool.end(name === 'tcpdump' ? { endCause: 'finished' } : {})
  }
  const useCases = createUseCases({ ...context, database })
  let worker = createWorker({ ...context, database })
  return {
    pods: cluster.pods,
    share: (pods: typeof cluster.pods, bucket: typeof context.bucket) => {
      cluster.pods = pods
      Object.assign(context.bucket, bucket)
    },
    bucket: context.bucket,
    sweep: () => database.jobs.sweep(),
    async launch (diagnostic: string, key: string | null = null): Promise<Job> {
      const request: JobRequest = { diagnostic, target: { namespace: 'shop', pod: 'web' }, labels: { app: 'shop' } }
      return (await useCases.submit(caller, request, { idempotencyKey: key })).job
    },
    final: (id: string) => useCases.wait(caller, id, { seconds: 20, signal: never }),
    read: (id: string) => useCases.job(caller, id),
    cancel: (id: string) => useCases.cancel(caller, id),
    finish: (id: string) => useCases.finish(caller, id),
    list: async () => (await useCases.jobs(caller, { namespaces: ['shop'] }, { limit: 200, after: null })).items.map(({ id }) => id),
    async events (id: string): Promise<string[]> {
      const types: string[] = []
      for await (const { type } of await useCases.events(caller, id, { afterSeq: 0, signal: AbortSignal.timeout(20_000) })) types.push(type)
      return types
    },
    async text (runId: string): Promise<string> {
      const { content } = await useCases.output(caller, runId, { stream: 'stdout', raw: false, follow: false, signal: never })
      let text = ''
      for await (const part of content) text += String(part)
      return text
    },
    /** It works until the promise that it is given is fulfilled. */
    async working<T> (during: () => Promise<T>): Promise<T> {
      await worker.start()
      try {
        return await during()
      } finally {
        await worker.stop(1)
        worker = createWorker({ ...context, database })
      }
    }
  }
}

const previous = await previousCode(t)
t.comment(`previous code: ${previous.commit}, up to ${previous.migrations.at(-1)}`)
// In this order: the new version migrates, and the one before starts on that.
const now = await start(presentCode)
const before = await start(previous)
before.share(now.pods, now.bucket)
const versions = { now, before }
const pairs = [['now', 'before'], ['before', 'now'], ['before', 'before']] as const

for (const [accepting, running] of pairs) {
  const [accepts, runs] = [versions[accepting], versions[running]]
  t.test(`accepted by the code ${accepting}, run by the code ${running}`, async t => {
    const job = await accepts.launch('lookup')
    const done = await runs.working(() => accepts.final(job.id))
    t.match(done, { state: 'succeeded', verdict: 'fail', findings: [{ code: 'TEST_BAD' }] }, JSON.stringify(done.error))
    const [run] = done.pods.items[0]!.runs
    t.match(run, { endCause: 'exited', completeness: { state: 'complete' } })
    const { id, state, verdict, findings, podCounts, requestedBy, target, createdAt, finishedAt } = done
    for (const reader of [now, before]) {
      t.match(await reader.read(job.id), { id, state, verdict, findings, podCounts, requestedBy, target, createdAt, finishedAt })
      t.equal(await reader.text(run!.id), 'it is bad\n')
      t.ok((await reader.list()).includes(job.id))
      t.equal((await reader.events(job.id)).at(-1), 'end')
    }
  })

  t.test(`a capture that the code ${running} runs is finished, and another cancelled, by the code ${accepting}`, async t => {
    const [finished, cancelled] = [await accepts.launch('capture'), await accepts.launch('capture')]
    await runs.working(async () => {
      const isUnderWay = async ({ id }: Job) => Boolean((await accepts.read(id)).pods.items[0]!.runs[0]?.startedAt)
      // One at a time: where the pod takes no two captures at once, the second begins when the first has ended.
      await until(() => isUnderWay(finished))
      await accepts.finish(finished.id)
      t.match(await accepts.final(finished.id), { state: 'succeeded', pods: { items: [{ runs: [{ artifacts: [{ sizeBytes: 10 }] }] }] } })
      await until(() => isUnderWay(cancelled))
      await accepts.cancel(cancelled.id)
      t.match(await accepts.final(cancelled.id), { state: 'cancelled' })
    })
  })

  t.test(`what a worker of the code ${accepting} lost is found by the sweep of the code ${running}, and done again by either`, async t => {
    const [again, once] = [await accepts.launch('lookup'), await accepts.launch('once')]
    const lost = (id: string) => db.query(`UPDATE job_pod SET state = 'running', attempt = 1, claimed_by = 'lost', lease_until = now() - interval '1 second'
      WHERE job_id = $1 AND state = 'queued' RETURNING id`, [id])
    await Promise.all([lost(again.id), lost(once.id)])
    await db.query(`INSERT INTO run (id, job_pod_id, job_id, session_id, namespace, pod, pod_uid, attempt, diagnostic, argv, started_at)
      SELECT gen_random_uuid(), id, job_id, gen_random_uuid(), namespace, pod, pod_uid, 1, 'once', '{dig}', now() FROM job_pod WHERE job_id = $1`, [once.id])
    t.equal(await runs.sweep(), 2)
    t.match(await accepts.read(once.id), { state: 'failed', pods: { items: [{ error: { code: 'EPH_INDETERMINATE' } }] } })
    t.match(await accepts.working(() => runs.final(again.id)), { state: 'succeeded' })
  })
}

t.test('a key that one version has used answers the same job at the other', async t => {
  const first = await before.launch('lookup', 'key-1')
  t.equal((await now.launch('lookup', 'key-1')).id, first.id)
  const second = await now.launch('lookup', 'key-2')
  t.equal((await before.launch('lookup', 'key-2')).id, second.id)
  for (const { id } of [first, second]) t.match(await now.working(() => now.final(id)), { state: 'succeeded' })
})

t.test('sessions of one version are used by the other: no pod gets a second container', async t => {
  t.equal(now.pods[0]!.ephemeral.length, 2, 'one of each profile')
})

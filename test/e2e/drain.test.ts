import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Job } from '#core/job.ts'
import { untilToolsEnded } from '../support/container-processes.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { openSocket } from '../support/graphql-socket.ts'
import { labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { startService, type Service } from '../support/service.ts'
import { until } from '../support/until.ts'

// Two processes on one database and one folder, as two replicas of the chart.
const namespace = makeNamespace(t)
const databaseUrl = await startPostgresServer(t, '127.0.0.1')
const dataDir = await mkdtemp(join(tmpdir(), 'ephemera-test-'))
t.teardown(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
const token = randomBytes(16).toString('hex')

async function startReplica (env: Record<string, string> = {}): Promise<Service> {
  const replica = await startService({
    env: {
      ...labEnvironment(),
      DATABASE_URL: databaseUrl,
      EPHEMERA_TOKEN: token,
      EPHEMERA_LIMIT_CAPTURES: '2',
      EPHEMERA_LEAVE_SECONDS: '4',
      EPHEMERA_SHUTDOWN_GRACE_SECONDS: '4',
      ...env
    },
    token,
    dataDir
  })
  t.teardown(() => replica.stop())
  return replica
}

const image = 'toolbox-test'
const run = (pod: string, argv: string[]) => ({ diagnostic: 'test-run', image, target: { namespace, pod }, params: { argv } })
/** Lasts for long, but not where it has begun before. */
const onceLong = ['sh', '-c', 'test -e /dev/shm/begun && exit; touch /dev/shm/begun; exec sleep 600']
const capture = (pod: string) => ({
  diagnostic: 'test-capture',
  image,
  target: { namespace, pod },
  params: { argv: ['sh', '-c', 'echo listening >&2; while :; do echo tick; sleep 0.05; done'] }
})
const started = (replica: Service, { id }: Job) => replica.events(id, ({ type, data }) => type === 'run' && data.phase === 'started')

/** Events of a job by a subscription at a replica: their numbers up to `end`, and how the socket was closed before it. */
async function subscribe (t: Test, { url }: Service, jobId: string, after: number) {
  const socket = await openSocket(t, Number(new URL(url).port))
  socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
  await socket.next()
  socket.send({ id: '1', type: 'subscribe', payload: { query: `subscription { jobEvents(id: "${jobId}", after: ${after}) { seq } }` } })
  const seqs: number[] = []
  for (;;) {
    const message = await Promise.race([socket.next(), socket.closed])
    if ('code' in message) return { seqs, end: message.code }
    if (message.type !== 'next') return { seqs, end: message.type }
    seqs.push((message.payload as { data: { jobEvents: { seq: number } } }).data.jobEvents.seq)
  }
}

/** Sends requests without a pause to whoever is ready, as a Service does: four times a second it looks again. */
function callAlways (replicas: Service[], jobId: string) {
  const answers: string[] = []
  let ready = [...replicas]
  const over = new AbortController()
  async function look (): Promise<void> {
    while (!over.signal.aborted) {
      const states = await Promise.all(replicas.map(({ url }) => fetch(`${url}/readyz`).then(({ ok }) => ok, () => false)))
      ready = replicas.filter((_, index) => states[index])
      await delay(250)
    }
  }
  async function call (nth: number): Promise<void> {
    for (let count = nth; !over.signal.aborted; count++) {
      const replica = ready[count % ready.length]!
      const [path, headers] = count % 5 === 0 ? [`/v1/jobs/${jobId}`, { prefer: 'wait=1' }] : [`/v1/jobs?namespace=${namespace}`, {}]
      answers.push(await replica.call('GET', path, { headers }).then(({ status }) => `${status}`, (error: Error) => `${error.message} ${String(error.cause)}`))
    }
  }
  const callers = [look(), call(0), call(1)]
  return async () => {
    over.abort()
    await Promise.all(callers)
    return answers
  }
}

t.test('cancelled at one replica, a tool that runs at another ends within 2 s', async t => {
  const pod = makePod(namespace)
  const [worker, other] = await Promise.all([startReplica(), startReplica({ EPHEMERA_WORK: 'false' })])
  const job = await other.launch(run(pod, ['sleep', '600']))
  await started(other, job)
  await other.call('POST', `/v1/jobs/${job.id}/cancel`)
  await untilToolsEnded(namespace, pod, { seconds: 2 })
  t.match(await other.final(job.id, 10), { state: 'cancelled', pods: { items: [{ runs: [{ completeness: { state: 'truncated', reason: 'cancelled' } }] }] } })
  await Promise.all([worker.stop(), other.stop()])
})

t.test('one of two replicas is replaced: no request fails, what ends in time is whole, the rest is done again or says why not', async t => {
  const pod = makePod(namespace)
  const first = await startReplica({ EPHEMERA_LIMIT_CAPTURES: '2' })
  const [quick, repeated, long, brief] = [
    await first.launch(run(pod, ['true'])),
    await first.launch(run(pod, onceLong)),
    await first.launch(capture(pod)),
    await first.launch(capture(pod))
  ]
  await Promise.all([repeated, long, brief].map(job => started(first, job)))
  await first.final(quick.id)
  const second = await startReplica()
  const stopCalling = callAlways([first, second], long.id)
  const seen = first.events(repeated.id)
  const subscribed = subscribe(t, first, repeated.id, 0)
  await delay(500)
  const stopped = first.stop('SIGTERM')
  await until(() => first.log().includes('Stopping'))
  t.equal((await second.call('POST', `/v1/jobs/${brief.id}/finish`)).status, 200)
  t.equal(await stopped, 0)
  const answers = await stopCalling()
  t.same(answers.filter(answer => answer !== '200'), [], `of ${answers.length} requests`)

  const events = await seen
  t.notOk(events.some(({ type }) => type === 'end'), 'the stream ended before the job')
  const rest = await second.events(repeated.id, () => false, events.at(-1)!.id)
  t.same([...events, ...rest].map(({ id }) => id), Array.from({ length: events.length + rest.length }, (_, index) => index + 1))
  t.equal(rest.at(-1)?.type, 'end')
  const before = await subscribed
  t.equal(before.end, 1001)
  const after = await subscribe(t, second, repeated.id, before.seqs.at(-1)!)
  t.equal(after.end, 'complete')
  t.same([...before.seqs, ...after.seqs], [...events, ...rest].map(({ id }) => id))

  const [again, cut, whole] = await Promise.all([repeated, long, brief].map(({ id }) => second.final(id, 60)))
  const [measured] = again!.pods.items
  t.match(again, { state: 'succeeded', verdict: 'pass' })
  t.match(measured!.runs, [
    { attempt: 1, completeness: { state: 'truncated', reason: 'shutdown' } }, { attempt: 2, completeness: { state: 'complete' } }
  ])
  t.match(measured!.session, { id: (await second.call<Job>('GET', `/v1/jobs/${quick.id}`)).body.pods.items[0]!.session!.id, reused: true })
  t.equal(readPod(namespace, pod).spec.ephemeralContainers?.length, 1, 'nothing was injected anew')

  t.match(cut, { state: 'failed', pods: { items: [{ error: { code: 'EPH_SHUTDOWN' } }] } })
  t.match(whole, { state: 'succeeded' }, JSON.stringify(whole!.pods.items[0]?.error))
  for (const [job, completeness] of [[cut, { state: 'truncated', reason: 'shutdown' }], [whole, { state: 'complete', reason: null }]] as const) {
    const [run] = job!.pods.items[0]!.runs
    t.same(run!.completeness, completeness)
    const [artifact] = run!.artifacts
    t.ok(artifact!.sizeBytes > 100, `${artifact!.sizeBytes} bytes`)
    t.equal((await second.bytes(`/v1/artifacts/${artifact!.id}/content`)).length, artifact!.sizeBytes)
  }
  await second.stop()
})

t.test('a drain that cannot end, since the database no longer answers, is given up', async t => {
  const pod = makePod(namespace)
  const { hostname, port } = new URL(databaseUrl)
  const proxy = await createFaultProxy(t, { host: hostname, port: Number(port) })
  const throughProxy = Object.assign(new URL(databaseUrl), { port: `${proxy.port}` }).href
  const service = await startReplica({ DATABASE_URL: throughProxy, EPHEMERA_SHUTDOWN_GRACE_SECONDS: '1', EPHEMERA_LEAVE_SECONDS: '0' })
  await started(service, await service.launch(capture(pod)))
  proxy.blackhole()
  const stopped = service.stop('SIGTERM')
  await untilToolsEnded(namespace, pod, { seconds: 15 })
  t.equal(await stopped, 1)
  t.match(service.log(), /killed by timeout/)
})

import t from 'tap'
import type { Job, JobRequest } from '#core/job.ts'
import { labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startPostgres } from '../support/postgres.ts'
import { startService, type Service } from '../support/service.ts'

const namespace = makeNamespace(t)
const { emptyDatabase } = await startPostgres(t)
const DATABASE_URL = await emptyDatabase()
const start = () => startService({ env: { ...labEnvironment(), DATABASE_URL, EPHEMERA_LEASE_SECONDS: '15' } })
const services = await Promise.all([start(), start()])
t.teardown(() => Promise.all(services.map(service => service.stop('SIGKILL'))))

const of = (nth: number): Service => services[nth % 2]!
const runsIn = async (pod: string) => {
  const { metadata: { uid } } = readPod(namespace, pod)
  return (await of(1).call<{ items: { id: string }[] }>('GET', `/v1/runs?podUid=${uid}&limit=200`)).body.items
}

t.test('50 equal launches at two services are one run in the pod, and each is a job of its own', async t => {
  const pod = makePod(namespace)
  const request: JobRequest = { diagnostic: 'dns-lookup', target: { namespace, pod }, params: { names: ['kubernetes.default'] }, maxAgeSeconds: 60 }
  const launched = await Promise.all(Array.from({ length: 50 }, (_, nth) => of(nth).launch({ ...request, reason: `INC-${nth}` })))
  const jobs = await Promise.all(launched.map(({ id }, nth) => of(nth + 1).final(id)))
  const source = jobs.find(({ deduplicatedFrom }) => deduplicatedFrom === null)!
  t.match(source, { state: 'succeeded', verdict: 'pass' })
  const { runs, report, session } = source.pods.items[0]!
  for (const [nth, job] of jobs.entries()) {
    t.match(job, { state: 'succeeded', verdict: 'pass', reason: `INC-${nth}`, deduplicatedFrom: job === source ? null : source.id })
    t.match(job.pods.items[0], { report, runs, session: { ephemeralContainer: session!.ephemeralContainer } })
  }
  t.strictSame((await runsIn(pod)).map(({ id }) => id).sort(), runs.map(({ id }) => id).sort())
  const bySelector = await of(1).launch({ ...request, target: { namespace, labelSelector: 'no=such' } }).catch((error: Error) => error.message)
  t.match(bySelector, /EPH_TARGET_EMPTY/)
})

t.test('one capture at a time in a pod: the second waits in the queue, says where, and begins when the first has ended', async t => {
  const pod = makePod(namespace)
  const request = (durationSeconds: number): JobRequest => ({ diagnostic: 'packet-capture', target: { namespace, pod }, params: { durationSeconds } })
  const first = await of(0).launch(request(4))
  await of(1).events(first.id, ({ type, data }) => type === 'run' && data.phase === 'listening')
  const second = await of(1).launch(request(1))
  const shared = await of(0).launch({ ...request(1), maxAgeSeconds: 0 })
  const beside = await of(0).launch({ diagnostic: 'dns-config', target: { namespace, pod } })
  t.match(await of(1).final(beside.id), { state: 'succeeded' }, 'another diagnostic is not held up')
  const events = await of(0).events(second.id)
  t.match(events.find(({ type }) => type === 'queue'), { data: { position: 1 } })
  const [one, two, three] = await Promise.all([first, second, shared].map(({ id }, nth) => of(nth).final(id)))
  const runOf = (job: Job) => job.pods.items[0]!.runs.at(-1)!
  for (const job of [one!, two!, three!]) t.match(job, { state: 'succeeded' })
  t.ok(Date.parse(runOf(two!).startedAt!) >= Date.parse(runOf(one!).endedAt!), 'they did not run at the same time')
  t.match(three, { deduplicatedFrom: second.id })
  const [artifact] = runOf(three!).artifacts
  t.strictSame(artifact, runOf(two!).artifacts[0])
  t.match(await of(0).call('GET', `/v1/artifacts?jobId=${shared.id}`), { body: { items: [{ id: artifact!.id, jobId: second.id }] } })
})

t.test('where the service that measures is killed, who followed it is measured by the other one', async t => {
  const pod = makePod(namespace)
  const [idle, doomed] = services
  const request: JobRequest = {
    diagnostic: 'test-capture', image: 'toolbox-test', target: { namespace, pod }, params: { argv: ['sh', '-c', 'echo listening >&2; sleep 3'] }
  }
  // Whichever of the two has it: only the one that is killed works then.
  const paused = await idle!.launch({ diagnostic: 'dns-config', target: { namespace, pod } })
  await idle!.final(paused.id)
  idle!.child.kill('SIGSTOP')
  const source = await doomed!.launch(request)
  await doomed!.events(source.id, ({ type, data }) => type === 'run' && data.phase === 'listening')
  const follower = await doomed!.launch({ ...request, maxAgeSeconds: 0 })
  t.match(follower, { deduplicatedFrom: source.id, state: 'running' })
  doomed!.child.kill('SIGKILL')
  idle!.child.kill('SIGCONT')
  t.match(await idle!.final(source.id, 60), { state: 'failed', error: { code: 'EPH_INDETERMINATE' } })
  const done = await idle!.final(follower.id, 60)
  t.match(done, { state: 'succeeded', deduplicatedFrom: null })
  t.equal(done.pods.items[0]!.runs.length, 1)
  t.equal((await idle!.call<{ items: unknown[] }>('GET', `/v1/runs?jobId=${follower.id}`)).body.items.length, 1)
})

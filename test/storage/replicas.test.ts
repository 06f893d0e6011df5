import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import type { Job } from '#core/job.ts'
import type { Preflight } from '#core/preflight.ts'
import { record } from '#jobs/audit.ts'
import { createUseCases } from '#jobs/create-use-cases.ts'
import { createWorker } from '#jobs/worker.ts'
import { buildApp } from '../../src/app.ts'
import { createClient } from '../support/client.ts'
import { lookup, request } from '../support/drive.ts'
import { answering } from '../support/fake-channels.ts'
import { app as container, caller, createFakePorts } from '../support/fake-ports.ts'
import { startPostgres } from '../support/postgres.ts'
import { examplePod } from '../support/recorded-probe.ts'
import { until } from '../support/until.ts'

const { openDatabase } = await startPostgres(t)

/** Two replicas of the API over HTTP, on one real database and one cluster in memory; the token is the caller's name. */
async function replicas (t: Test, options: Parameters<typeof openDatabase>[1] = {}) {
  const first = await openDatabase(t, options)
  const ports = createFakePorts(new Map([['lookup', lookup()]]))
  ports.cluster.pods = [examplePod({ uid: randomUUID(), containers: [container] })]
  const clients = await Promise.all([first, await openDatabase(t, { ...options, url: first.url })].map(async database => {
    const context = { ...ports.context, database }
    const app = await buildApp({
      useCases: createUseCases(context),
      catalogue: context.catalogue,
      authenticate: async ({ headers }) => ({ ...caller, username: String(headers.authorization).slice('Bearer '.length) }),
      audit: event => record(context, event),
      checks: {},
      log: pino({ level: 'silent' })
    })
    t.teardown(() => app.close())
    await app.listen({ port: 0, host: '127.0.0.1' })
    return (token = 'ada') => createClient({ url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, token })
  }))
  const work = async () => {
    const worker = createWorker({ ...ports.context, database: first })
    await worker.start()
    t.teardown(() => worker.stop(0))
  }
  return { ...ports, jobs: first.jobs, of: (nth: number, name?: string) => clients[nth % 2]!(name), work }
}

const graphql = 'mutation ($input: LaunchJobInput!) { launchJob(input: $input) { id state deduplicatedFrom requestedBy { username } } }'
const { diagnostic: name, ...target } = request()
const graphqlInput = (rest = {}) => ({ query: graphql, variables: { input: { diagnostic: { [name]: {} }, ...target, ...rest } } })

t.test('50 identical requests with one key at two replicas are one job, always 202; another body is refused, another caller free', async t => {
  const { of, jobs } = await replicas(t)
  const post = (nth: number, body: object, username = 'ada') =>
    of(nth, username).call<Job>('POST', '/v1/jobs', { body, headers: { 'idempotency-key': 'alert-1' } })
  const answers = await Promise.all(Array.from({ length: 50 }, (_, nth) => post(nth, request({ reason: 'INC-1' }))))
  t.strictSame(new Set(answers.map(({ status }) => status)), new Set([202]))
  const ids = new Set(answers.map(({ body }) => body.id))
  t.equal(ids.size, 1)
  t.equal(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true').length, 49)
  t.equal((await jobs.list({ namespaces: null }, { limit: 50, after: null })).items.length, 1)
  for (const nth of [0, 1]) {
    t.match(await post(nth, request({ reason: 'INC-2' })), { status: 422, body: { code: 'EPH_IDEMPOTENCY_MISMATCH' } })
    t.match(await post(nth, { ...target, reason: 'INC-1', diagnostic: name }), { status: 202, body: { id: [...ids][0] } }, 'fields in another order')
  }
  const other = await post(0, request({ reason: 'INC-2' }), 'bob')
  t.equal(other.status, 202)
  t.notOk(ids.has(other.body.id))
})

t.test('50 launches that would share a result, by REST and GraphQL at two replicas, are one run', async t => {
  const { of, jobs, channels, work } = await replicas(t)
  let tools = 0
  channels.play = tool => {
    tools++
    return answering('bad\n')(tool)
  }
  const fresh = { maxAgeSeconds: 60 }
  const ids = await Promise.all(Array.from({ length: 50 }, async (_, nth) => {
    const client = of(nth, `user-${nth % 3}`)
    if (nth % 5) return (await client.launch(request({ ...fresh, reason: `INC-${nth}` }))).id
    const { body } = await client.call<{ data: { launchJob: Job } }>('POST', '/graphql', { body: graphqlInput({ ...fresh, reason: `INC-${nth}` }) })
    return body.data.launchJob.id
  }))
  t.equal(new Set(ids).size, 50)
  await work()
  const ended = await Promise.all(ids.map((id, nth) => of(nth).final(id)))
  t.equal(tools, 1)
  const source = ended.find(({ deduplicatedFrom }) => deduplicatedFrom === null)!
  t.strictSame(new Set(ended.map(({ deduplicatedFrom }) => deduplicatedFrom ?? source.id)), new Set([source.id]))
  for (const [nth, job] of ended.entries()) {
    t.match(job, { state: 'succeeded', verdict: 'fail', reason: `INC-${nth}`, requestedBy: { username: `user-${nth % 3}` }, findings: source.findings })
    t.strictSame(job.pods.items[0]!.runs, source.pods.items[0]!.runs)
  }
  const follower = ended.find(({ deduplicatedFrom }) => deduplicatedFrom !== null)!
  const events = await of(0).events(follower.id)
  t.match(events.find(({ type }) => type === 'output')?.data, { stream: 'stdout', text: 'bad\n' })
  const [run] = source.pods.items[0]!.runs
  t.equal((await of(1).call('GET', `/v1/runs/${run!.id}/output?stream=stdout`)).body, 'bad\n')

  const dryRun = await of(0).call<Preflight>('POST', '/v1/jobs?dryRun=true', { body: request(fresh) })
  t.match(dryRun, { status: 200, body: { deduplicatedFrom: source.id } })
  t.match((await of(0).call<Preflight>('POST', '/v1/jobs?dryRun=true', { body: request() })).body, { deduplicatedFrom: null })
  const again = await of(0).call<Job>('POST', '/v1/jobs', { body: request(fresh), headers: { prefer: 'wait=5' } })
  t.match(again, { status: 200, body: { state: 'succeeded', verdict: 'fail', deduplicatedFrom: source.id } })
  t.equal((await jobs.list({ namespaces: null, verdict: ['fail'] }, { limit: 100, after: null })).items.length, 51)
})

t.test('rights are asked for a shared result as for any', async t => {
  const { of, cluster, jobs } = await replicas(t)
  const { id } = await of(0).launch(request())
  cluster.denied.add('get jobs shop')
  t.equal((await of(0, 'bob').launch(request({ maxAgeSeconds: 60 }))).deduplicatedFrom, null, 'bob may not read what others launched')
  t.equal((await of(1, 'ada').launch(request({ maxAgeSeconds: 60 }))).deduplicatedFrom, id)
  cluster.denied.add('create jobs shop')
  t.match(await of(0).call('POST', '/v1/jobs', { body: request({ maxAgeSeconds: 60 }) }), { status: 403, body: { code: 'EPH_FORBIDDEN' } })
  t.equal((await jobs.list({ namespaces: null }, { limit: 50, after: null })).items.length, 3)
})

t.test('beyond the quota both transports answer when to come back, and whoami what is left', async t => {
  const { of } = await replicas(t, { limits: { queued: 3 } })
  for (let nth = 0; nth < 3; nth++) await of(nth).launch(request({ params: { word: `${nth}` } }))
  const rest = await of(0).call('POST', '/v1/jobs', { body: request() })
  t.match(rest, { status: 429, body: { code: 'EPH_QUOTA', retryable: 'later', effect: 'none' } })
  const graph = await of(1).call<{ errors: unknown[] }>('POST', '/graphql', { body: graphqlInput() })
  t.match(graph.body.errors, [{ extensions: { code: 'EPH_QUOTA', status: 429, retryAfterSeconds: 5 } }])
  for (const { headers } of [rest, graph]) {
    t.equal(headers.get('retry-after'), '5')
    t.equal(headers.get('ratelimit-policy'), '"caller";q=6000;w=60, "queued";q=3')
    t.match(headers.get('ratelimit'), /^"caller";r=\d+;t=\d+, "queued";r=0;t=5$/)
  }
  t.equal((await of(0, 'bob').call('POST', '/v1/jobs', { body: request() })).status, 202, 'another caller\'s are his own')
  t.match((await of(0, 'bob').call('GET', '/v1/whoami?namespace=shop')).body, { quotas: { queuedPods: 2000, queuedPodsLeft: 1999, runningPods: 10, runningPodsInNamespace: 20 } })
})

t.test('who follows a job that waits hears where it stands, at any replica', async t => {
  const { of, jobs } = await replicas(t)
  for (let nth = 0; nth < 2; nth++) await of(nth).launch(request({ params: { word: `${nth}` } }))
  const { id } = await of(0).launch(request())
  const following = of(1).events(id, ({ type, data }) => type === 'queue' && data.position === 2)
  await until(async () => (await jobs.queuePositions([id])).get(id) === 3)
  await jobs.claim('w', 1)
  const events = await following
  t.match(events.at(-1), { type: 'queue', data: { position: 2 } })
})

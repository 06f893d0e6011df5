import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { JobRequest } from '#core/job.ts'
import { drive, request } from '../support/drive.ts'
import { app, caller } from '../support/fake-ports.ts'
import { examplePod } from '../support/recorded-probe.ts'

const target = { namespace: 'shop', pod: 'web' }
const none = { idempotencyKey: null }

/** Each is refused for the first of its faults, in this order. */
const faults: [string, Partial<JobRequest>][] = [
  ['EPH_NOT_SUPPORTED', { notify: ['remediator'] }],
  ['EPH_INVALID_REQUEST', { target: { namespace: 'shop' } }],
  ['EPH_DIAGNOSTIC_UNKNOWN', { diagnostic: 'no-such' }],
  ['EPH_IMAGE_UNKNOWN', { image: 'no-such' }],
  ['EPH_FORBIDDEN', {}],
  ['EPH_PARAMS_INVALID', { params: { surprise: 1 } }],
  ['EPH_TARGET_UNKNOWN', { target: { namespace: 'shop', pod: 'no-such' } }]
]

t.test('checks come in order, each refusal leaves an audit row and no job', async t => {
  const { useCases, cluster, database } = drive(t, { works: false })
  for (const [index, [code]] of faults.entries()) {
    const all = Object.assign({}, ...faults.slice(index).map(([, fault]) => fault).reverse()) as Partial<JobRequest>
    if (code === 'EPH_FORBIDDEN') cluster.denied.add('create jobs shop')
    await t.rejects(useCases.submit(caller, request(all), none), { code }, code)
    t.match(database.audit.at(-1), { action: 'launch', code, principal: caller, namespace: 'shop', outcome: code === 'EPH_FORBIDDEN' ? 'denied' : 'failed' })
    cluster.denied.clear()
  }
  t.equal(database.audit.length, faults.length)
  t.equal(database.jobs.drafts().length, 0)
  t.same(cluster.dryRuns, [])
})

t.test('a namespace that does not exist is the better answer', async t => {
  const { useCases } = drive(t, { works: false })
  const elsewhere = { ...target, namespace: 'no-such' }
  await t.rejects(useCases.submit(caller, request({ target: elsewhere }), none), { code: 'EPH_NAMESPACE_UNKNOWN' })
})

t.test('the right that is asked for is the diagnostic\'s own', async t => {
  const { useCases, cluster } = drive(t, { works: false })
  cluster.denied.add('create captures shop')
  await t.rejects(useCases.submit(caller, request({ diagnostic: 'capture' }), none), { code: 'EPH_FORBIDDEN' })
  await useCases.submit(caller, request(), none)
})

t.test('what is accepted is stored whole, with its audit event', async t => {
  const { useCases, database } = drive(t, { works: false })
  const { job, replayed } = await useCases.submit(caller, request({
    params: { word: 'x' }, reason: 'INC-1', labels: { alert: 'a' }, timeoutSeconds: 7, startWithinSeconds: 8, priority: 'automatic'
  }), none)
  t.equal(replayed, false)
  const [draft] = database.jobs.drafts()
  t.match(draft, {
    id: job.id,
    principal: caller,
    diagnostic: 'lookup',
    params: { word: 'x' },
    reason: 'INC-1',
    labels: { alert: 'a' },
    image: 'toolbox',
    timeoutSeconds: 7,
    startWithinSeconds: 8,
    priority: 'automatic',
    matched: 1,
    rule: 'the named pod',
    pods: [{ pod: { uid: examplePod().uid }, targetContainer: 'app', error: null }],
    audit: { action: 'launch', outcome: 'allowed', namespace: 'shop', object: 'lookup on shop/web', detail: { jobId: job.id, reason: 'INC-1' } }
  })
  t.match(draft, { idempotency: null })
  await useCases.submit(caller, request(), none)
  t.match(database.jobs.drafts()[1], { timeoutSeconds: 30, startWithinSeconds: 300, priority: 'interactive', reason: null, labels: {} })
})

t.test('a key makes repeating harmless, for the same caller and the same request only', async t => {
  const { useCases, database, cluster } = drive(t, { works: false })
  const key = { idempotencyKey: 'k' }
  const labels = { a: '1', b: '2' }
  const first = await useCases.submit(caller, request({ labels }), key)
  const again = await useCases.submit(caller, { labels: { b: '2', a: '1' }, target: { pod: 'web', namespace: 'shop' }, diagnostic: 'lookup' }, key)
  t.equal(again.replayed, true)
  t.equal(again.job.id, first.job.id)
  await t.rejects(useCases.submit(caller, request({ labels: { a: '2' } }), key), { code: 'EPH_IDEMPOTENCY_MISMATCH' })
  const other = await useCases.submit({ ...caller, username: 'bob' }, request({ labels }), key)
  t.equal(other.replayed, false)
  t.equal(database.jobs.drafts().length, 2)
  cluster.denied.add('create jobs shop')
  await t.rejects(useCases.submit(caller, request({ labels }), key), { code: 'EPH_FORBIDDEN' }, 'a right that is gone is asked for first')
})

t.test('single refused pods are failed from the start; where all are, there is no job', async t => {
  const { cluster, useCases, database } = drive(t, { works: false })
  const pods = ['one', 'two'].map(name => examplePod({ name, uid: name, containers: [app], phase: 'Pending' }))
  pods[1]!.hostNetwork = true
  cluster.pods = [...pods, examplePod({ name: 'three', uid: 'three', containers: [app] })]
  const all = request({ target: { namespace: 'shop', labelSelector: 'app=web' } })
  const { job } = await useCases.submit(caller, all, none)
  t.match(job.pods.items, [{ pod: 'one', state: 'failed', error: { code: 'EPH_POD_NOT_RUNNING' } }, { pod: 'two', state: 'failed' }, { pod: 'three', state: 'queued', error: null }])
  cluster.pods = pods
  await t.rejects(useCases.submit(caller, all, none), { code: 'EPH_POD_NOT_RUNNING' }, 'the first pod\'s reason')
  t.equal(database.jobs.drafts().length, 1)
})

t.test('profiles are tried in order, and all refused is said before anything is touched', async t => {
  const { cluster, useCases } = drive(t, { works: false })
  const refused = new Set(['netraw'])
  cluster.admit = async ({ profile }) => {
    if (refused.has(profile)) throw new Problem('EPH_POD_SECURITY', `violates PodSecurity with ${profile}`)
  }
  const { pods: [pod] } = await useCases.preflight(caller, request({ diagnostic: 'capture' }))
  t.match(pod, { profile: 'defaultcaps', reused: false, container: null, error: null, budget: { used: 0, max: 3, left: 3 } })
  t.same(pod?.refusedProfiles, [{ profile: 'netraw', code: 'EPH_POD_SECURITY', message: 'violates PodSecurity with netraw' }])
  refused.add('defaultcaps')
  await t.rejects(useCases.submit(caller, request({ diagnostic: 'capture' }), none), { code: 'EPH_POD_SECURITY', message: /netraw/ })
  t.match(await useCases.preflight(caller, request({ diagnostic: 'capture' })), { pods: [{ profile: null, error: { code: 'EPH_POD_SECURITY' } }] })
  t.same(cluster.injected, [])
})

t.test('preflight says what would be reused, and asks no dry run for that', async t => {
  const { cluster, run, useCases } = drive(t)
  const { pod: { session } } = await run()
  cluster.dryRuns.length = 0
  t.match(await useCases.preflight(caller, request()), {
    matched: 1,
    rule: 'the named pod',
    pods: [{
      reused: true,
      sessionId: session!.id,
      container: session!.ephemeralContainer,
      profile: 'restricted',
      containers: [{ name: session!.ephemeralContainer, running: true, exitReason: null }],
      budget: { used: 1, max: 3, left: 2 }
    }]
  })
  t.same(cluster.dryRuns, [])
})

/** What refuses a launch, and what a dry run then says of the pod. */
const refusals: Record<string, (ports: ReturnType<typeof drive>) => void> = {
  EPH_OWNER_REFUSED: ({ cluster }) => { cluster.pods[0]!.annotations = { 'ephemera.dev/diagnostics': 'deny' } },
  EPH_POD_NOT_RUNNING: ({ cluster }) => { cluster.pods[0]!.phase = 'Pending' },
  EPH_BUDGET_EXHAUSTED: ({ cluster }) => {
    cluster.pods[0]!.ephemeral = ['a', 'b', 'c'].map(digit => ({ name: `ephemera-${digit.repeat(32)}`, image: 'x', running: false, exitReason: 'Completed' }))
  },
  EPH_POD_SECURITY: ({ cluster }) => { cluster.admit = async () => { throw new Problem('EPH_POD_SECURITY', 'violates PodSecurity') } },
  EPH_ADMISSION_DENIED: ({ cluster }) => { cluster.admit = async () => { throw new Problem('EPH_ADMISSION_DENIED', 'a policy denied it') } },
  EPH_ACCOUNT_FORBIDDEN: ({ cluster }) => { cluster.denied.add('get pods shop') }
}
for (const [code, arrange] of Object.entries(refusals)) {
  t.test(`a dry run says ${code} as the launch itself does`, async t => {
    const ports = drive(t, { works: false })
    arrange(ports)
    const { pods: [pod] } = await ports.useCases.preflight(caller, request())
    await t.rejects(ports.useCases.submit(caller, request(), none), { code, message: pod!.error!.message })
    t.match(pod, { profile: null, reused: false, sessionId: null, error: { code }, memory: { nodeLeftBytes: 3 * 2 ** 30 } })
    t.same(ports.cluster.injected, [])
    t.equal(ports.database.jobs.drafts().length, 0)
  })
}

t.test('memory that cannot be read is said, and stops nothing', async t => {
  const { cluster, useCases } = drive(t, { works: false })
  cluster.reader.nodeMemory = async () => { throw new Problem('EPH_ACCOUNT_FORBIDDEN', 'Cannot list the pods of node "node-1"') }
  t.match(await useCases.preflight(caller, request()), {
    pods: [{ error: null, memory: { nodeLeftBytes: null, podLimitBytes: null, unread: /^Cannot list the pods of node/ } }]
  })
})

t.test('a dry run warns of what a new container meets, and not where one is reused', async t => {
  const { cluster, run, useCases } = drive(t)
  Object.assign(cluster.pods[0]!, { memoryLimitBytes: 32 << 20, shareProcessNamespace: true })
  const codes = async () => (await useCases.preflight(caller, request())).pods[0]!.warnings.map(({ code }) => code)
  t.same(await codes(), ['ISOLATION_SHARED', 'PULL_SECRETS', 'MEMORY_HEADROOM'])
  await run()
  t.same(await codes(), ['ISOLATION_SHARED', 'MEMORY_HEADROOM'])
})

t.test('trouble of the cluster is no refusal of a pod', async t => {
  const { cluster, useCases } = drive(t, { works: false })
  cluster.admit = async () => { throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot reach the Kubernetes API') }
  await t.rejects(useCases.submit(caller, request(), none), { code: 'EPH_CLUSTER_UNAVAILABLE' })
  await t.rejects(useCases.preflight(caller, request()), { code: 'EPH_CLUSTER_UNAVAILABLE' })
})

t.test('without a database the audit row becomes a log line and a count, and the refusal arrives', async t => {
  const { database, useCases, logged, counted } = drive(t, { works: false })
  database.state.isDown = true
  await t.rejects(useCases.submit(caller, request(), none), { code: 'EPH_DATABASE_UNAVAILABLE' })
  await t.rejects(useCases.submit(caller, request({ diagnostic: 'no-such' }), none), { code: 'EPH_DIAGNOSTIC_UNKNOWN' })
  t.match(logged, [{ level: 'error', fields: { audit: { action: 'launch', username: 'ada' } } }, { fields: { audit: { code: 'EPH_DIAGNOSTIC_UNKNOWN' } } }])
  t.same(counted, ['ephemera_audit_rows_lost_total', 'ephemera_audit_rows_lost_total'])
})

t.test('an alarm clock that is broken delays a job, and does not refuse it', async t => {
  const { context, useCases, logged, final } = drive(t)
  context.wake.ring = async () => { throw new Error('no Redis') }
  const { job } = await useCases.submit(caller, request(), none)
  t.equal((await final(job.id)).state, 'succeeded', 'the sweep finds it')
  t.match(logged, [{ level: 'warn', fields: { err: /no Redis/ } }])
})

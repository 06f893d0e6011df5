import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { t } from 'tap'
import { right } from '#core/principal.ts'
import { findPod, labCluster, newContainer, openIn, placeOf, runOn } from '../support/cluster.ts'
import { apply, kubectl, makeNamespace, makePod, readPod } from '../support/lab.ts'

const cluster = labCluster(t)
const namespace = makeNamespace(t)
const pod = await findPod(cluster, namespace, makePod(namespace, { labels: { app: 'web' } }))
const soon = () => AbortSignal.timeout(30_000)

async function until (isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !await isTrue();) {
    if (Date.now() > end) throw new Error('Waited for 20 s')
    await sleep(50)
  }
}

t.test('the cluster says what it is', async t => {
  t.match(await cluster.reader.info(), { version: /^v1\.\d+/, ephemeralContainers: true })
  t.equal((await cluster.reader.namespace(namespace))?.name, namespace)
  t.equal(await cluster.reader.namespace('not-there'), null)
  t.equal(await cluster.reader.pod(namespace, 'not-there'), null)
})

t.test('targets become pods', async t => {
  for (const target of [{ pod: pod.name }, { labelSelector: 'app in (web)' }]) {
    t.match(await cluster.reader.resolve({ namespace, ...target }), { matched: 1, pods: [{ uid: pod.uid, owner: null }] })
  }
  for (const target of [{ workload: { kind: 'Deployment' as const, name: 'web' } }, { service: 'web' }]) {
    t.match(await cluster.reader.resolve({ namespace: 'shop', ...target }), { matched: 1, pods: [{ owner: { kind: 'Deployment', name: 'web' } }] })
  }
  await t.rejects(cluster.reader.resolve({ namespace, service: 'nope' }), { code: 'EPH_TARGET_UNKNOWN' })
  await t.rejects(cluster.reader.resolve({ namespace, labelSelector: 'app=nope' }), { code: 'EPH_TARGET_EMPTY' })
  await t.rejects(cluster.reader.resolve({ namespace, labelSelector: 'a b' }), { code: 'EPH_INVALID_REQUEST' })
  await t.rejects(cluster.reader.resolve({ namespace: 'not-there', labelSelector: 'app=nope' }), { code: 'EPH_NAMESPACE_UNKNOWN' })
})

t.test('an injected container answers, and 50 runs at once keep apart', async t => {
  const container = newContainer()
  const { channel, place } = await openIn(cluster, pod, container)
  await cluster.injector.inject(pod, container)
  t.equal(readPod(namespace, pod.name).spec.ephemeralContainers?.length, 1, 'injecting again changes nothing')
  t.match(channel.hello, { protocol: 1, uid: 64646, capabilities: [] })
  const since = Date.now()
  const runs = await Promise.all(Array.from({ length: 50 }, (_, n) => runOn(channel, ['dig', '-q', `host-${n}.invalid`])))
  for (const [n, { out, stdout, exitCode }] of runs.entries()) {
    t.match({ out, stdout, exitCode }, { out: new RegExp(`;host-${n}\\.invalid\\.`), stdout: { proven: true, whole: true }, exitCode: 0 }, `run ${n}`)
  }
  t.ok(Date.now() - since < 10_000, `${Date.now() - since} ms`)
  // The kubelet reports about a second late: the runner answers before the API server knows that it runs.
  await until(async () => (await findPod(cluster, namespace, pod.name)).ephemeral[0]?.running ?? false)
  await t.rejects(channel.run({ id: 'x', argv: ['rm', '-r', '/'], seconds: 1 }, { stdout () {}, stderr () {} }).started, { code: 'EPH_TOOL_MISSING' })

  await channel.closeContainer()
  t.equal(await cluster.channels.postMortem(place), 'containerEnded')
  await t.rejects(cluster.channels.open(place, soon()), { code: 'EPH_CONTAINER_NOT_STARTED' })
})

t.test('a sink that takes nothing gets no more than the window, and holds back nobody', async t => {
  const { channel } = await openIn(cluster, pod)
  const windowBytes = 300_000
  let bytes = 0
  const release = Promise.withResolvers<void>()
  const run = channel.run({ id: 'big', argv: ['curl', '-s', 'http://127.0.0.1:8080/?bytes=50000000'], seconds: 60, windowBytes }, {
    stdout (chunk) {
      bytes += chunk.length
      return release.promise
    },
    stderr () {}
  })
  await run.started
  await until(() => bytes >= windowBytes)
  for (let n = 0; n < 10; n++) t.equal((await runOn(channel, ['ip', 'address'])).exitCode, 0)
  t.equal(bytes, windowBytes)
  release.resolve()
  const end = await run.ended
  t.match(end, { exitCode: 0, stdout: { bytes: 50_000_000, proven: true, whole: true } })
  const cancelled = channel.run({ id: 'stuck', argv: ['curl', '-s', 'http://127.0.0.1:8080/?bytes=50000000'], seconds: 60 }, {
    stdout: () => new Promise(() => {}), stderr () {}
  })
  await cancelled.started
  cancelled.stop('cancelled', 1)
  t.match(await cancelled.ended, { endCause: 'cancelled', stdout: { proven: true } })
  await channel.closeContainer()
})

t.test('images that cannot be pulled, or have no runner, are told apart', async t => {
  const missing = newContainer(`docker.io/ephemera/missing@sha256:${'0'.repeat(64)}`)
  const without = newContainer('sample-app')
  await Promise.all([missing, without].map(container => cluster.injector.inject(pod, container)))
  await Promise.all([
    t.rejects(cluster.channels.open(placeOf(pod, missing), soon()), { code: 'EPH_IMAGE_PULL' }),
    t.rejects(cluster.channels.open(placeOf(pod, without), soon()), { code: 'EPH_IMAGE_WITHOUT_RUNNER' })
  ])
})

t.test('a dry run says what PodSecurity refuses, and changes nothing', async t => {
  const restricted = makeNamespace(t, { 'pod-security.kubernetes.io/enforce': 'restricted' })
  const securityContext = {
    runAsNonRoot: true, runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' }
  }
  const guarded = await findPod(cluster, restricted, makePod(restricted, { container: { securityContext } }))
  await cluster.injector.dryRun(guarded, newContainer())
  await t.rejects(cluster.injector.dryRun(guarded, newContainer('toolbox', 'netraw')), { code: 'EPH_POD_SECURITY', message: /NET_RAW/ })
  await t.rejects(cluster.injector.inject(guarded, newContainer('toolbox', 'defaultcaps')), { code: 'EPH_POD_SECURITY' })
  await t.rejects(cluster.injector.dryRun(guarded, { ...newContainer(), sharedContainer: 'nope' }), { code: 'EPH_CONTAINER_UNKNOWN' })
  t.equal(readPod(restricted, guarded.name).spec.ephemeralContainers, undefined)
})

t.test('a pod that is deleted or replaced is gone for us', async t => {
  const name = makePod(namespace)
  const old = await findPod(cluster, namespace, name)
  const { channel, place } = await openIn(cluster, old)
  const run = channel.run({ id: randomUUID(), argv: ['nc', '-l', '9999'], seconds: 60 }, { stdout () {}, stderr () {} })
  await run.started
  kubectl('delete', 'pod', '-n', namespace, name, '--grace-period=1')
  await t.rejects(run.ended, { name: 'ChannelLost' })
  t.equal(await cluster.channels.postMortem(place), 'podGone')
  await t.rejects(cluster.channels.open(place, soon()), { code: 'EPH_POD_GONE' })
  await t.rejects(cluster.injector.inject(old, newContainer()), { code: 'EPH_POD_GONE', effect: 'none' })

  makePod(namespace, { name })
  t.equal(await cluster.channels.postMortem(place), 'podGone')
  await t.rejects(cluster.channels.open(place, soon()), { code: 'EPH_POD_GONE' })
  await t.rejects(cluster.injector.inject(old, newContainer()), { code: 'EPH_POD_GONE', effect: 'none' })
  t.equal(readPod(namespace, name).spec.ephemeralContainers, undefined)
})

t.test('who calls and what they may do is asked of the cluster', async t => {
  t.match(await cluster.reviewer.self(), { username: /./, authMethod: 'local' })
  t.equal(await cluster.reviewer.selfAllowed(right('create', 'jobs', namespace)), true)
  kubectl('create', 'serviceaccount', '-n', namespace, 'caller')
  apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { namespace, name: 'launcher' },
    rules: [{ apiGroups: ['ephemera.dev'], resources: ['jobs'], verbs: ['create'] }]
  })
  kubectl('create', 'rolebinding', '-n', namespace, 'launcher', '--role=launcher', `--serviceaccount=${namespace}:caller`)
  const token = (audience: string) => kubectl('create', 'token', '-n', namespace, 'caller', `--audience=${audience}`).trim()
  const caller = await cluster.reviewer.authenticate(token('ephemera'), ['ephemera'])
  t.match(caller, { username: `system:serviceaccount:${namespace}:caller`, authMethod: 'kubernetes', actor: null })
  t.equal(await cluster.reviewer.allowed(caller!, right('create', 'jobs', namespace)), true)
  t.equal(await cluster.reviewer.allowed(caller!, right('create', 'captures', namespace)), false)
  t.equal(await cluster.reviewer.allowed(caller!, right('create', 'jobs', 'shop')), false)
  t.equal(await cluster.reviewer.authenticate(token('somebody-else'), ['ephemera']), null)
  t.equal(await cluster.reviewer.authenticate('not.a.token', ['ephemera']), null)
})

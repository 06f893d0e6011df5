import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Job } from '#core/job.ts'
import type { Right } from '#core/principal.ts'
import { apiPod } from '../support/api-pod.ts'
import { chart, helm } from '../support/chart.ts'
import { apply, images, kubectl, makeNamespace, makePod, nodeAddress, review, serviceImage } from '../support/lab.ts'
import { startPostgresServer } from '../support/postgres-server.ts'
import { startRedis } from '../support/redis.ts'
import { startS3 } from '../support/s3.ts'

const release = `ephemera-${randomBytes(3).toString('hex')}`
const strict = { 'pod-security.kubernetes.io/enforce': 'restricted' }
const home = makeNamespace(t, strict)
const callers = makeNamespace(t, strict)
const shop = makeNamespace(t)
/** Where callers have the right to launch, but our account has none. */
const elsewhere = makeNamespace(t)

const postgres = await startPostgresServer(t, nodeAddress)
const redis = await startRedis(t, { host: nodeAddress, password: randomBytes(16).toString('hex') })
const s3 = await startS3(t, { host: nodeAddress })

const secret = (name: string, stringData: Record<string, string>) =>
  apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: home }, stringData })
secret('postgres', { DATABASE_URL: postgres })
secret('redis', { REDIS_URL: redis.url })
secret('s3', { AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey })

const [repository, digest] = serviceImage().split('@')
const values = {
  image: { repository, digest },
  images: { toolbox: [images().toolbox] },
  database: { existingSecret: 'postgres' },
  redis: { existingSecret: 'redis' },
  s3: { bucket: s3.bucket, endpoint: s3.endpoint, existingSecret: 's3' },
  settings: { EPHEMERA_CLUSTER: 'lab' },
  server: { replicas: 1 },
  rbac: { namespaces: [shop] }
}
const install = (...extra: string[]) =>
  helm(['upgrade', '--install', release, chart, '--namespace', home, '--wait', '--timeout', '300s', '--values', '-', ...extra], values)
t.teardown(() => { helm(['uninstall', release, '--namespace', home, '--ignore-not-found']) })

const account = (namespace: string, name: string) => `system:serviceaccount:${namespace}:${name}`
const caller = account(callers, 'caller')
const bind = (namespace: string, role: string) => {
  kubectl('create', 'rolebinding', role, '-n', namespace, `--clusterrole=${release}-${role}`, `--serviceaccount=${callers}:caller`)
}

apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'caller', namespace: callers } })
const callerPod = makePod(callers, {
  container: {
    image: images().toolbox,
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/ephemera' }]
  },
  spec: {
    serviceAccountName: 'caller',
    securityContext: { runAsNonRoot: true, runAsUser: 64646, seccompProfile: { type: 'RuntimeDefault' } },
    volumes: [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'ephemera' } }] } }]
  }
})
const api = apiPod(callers, callerPod, `http://${release}.${home}.svc`, '/var/run/secrets/ephemera/token')
const web = makePod(shop)
const webAddress = kubectl('get', 'pod', '-n', shop, web, '-o', 'jsonpath={.status.podIP}')
makePod(shop, { container: { args: [`-get=http://${webAddress}:8080/`, '-every=100ms'] } })

const dnsLookup = (namespace: string, pod: string) => ({ diagnostic: 'dns-lookup', target: { namespace, pod }, params: { names: ['web.shop'] } })
const capture = { diagnostic: 'packet-capture', target: { namespace: shop, pod: web }, params: { durationSeconds: 3, filter: { protocol: 'tcp', port: 8080 } } }
const launch = (body: object) => api.call<Job>('POST', '/v1/jobs', { body, headers: { Prefer: 'wait=55' } })
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const serverPods = () => kubectl('get', 'pods', '-n', home, '-l', 'app.kubernetes.io/component=server', '-o', 'jsonpath={.items[*].metadata.uid}')

interface ManagedPod {
  metadata: { managedFields: { manager: string, subresource?: string }[] }
  spec: { ephemeralContainers?: { name: string, image: string }[] }
}
const readManaged = (pod: string): ManagedPod =>
  JSON.parse(kubectl('get', 'pod', '-n', shop, pod, '-o', 'json', '--show-managed-fields'))

/** What was measured and stored before the restart. */
const before: { lookup?: Job, artifactId?: string, sha256?: string } = {}

t.test('helm install gives a ready service in a namespace that admits only restricted pods', async t => {
  install()
  bind(shop, 'launcher')
  bind(elsewhere, 'launcher')
  const { status, body } = api.call<string>('GET', '/readyz', { token: '' })
  t.equal(status, 200, body)
  for (const name of ['database', 'bucket', 'queue', 'cluster']) t.match(body, new RegExp(`^${name}: ok$`, 'm'))
  const inside = (script: string) => kubectl('exec', '-n', home, `deployment/${release}`, '--', 'sh', '-c', script).trim()
  t.equal(inside('id -un'), 'ephemera')
  t.equal(inside('command -v npm npx || echo none'), 'none')
  t.match(inside('awk \'$2 == "/" { print $4 }\' /proc/mounts'), /^ro\b/, 'the root is read-only')
})

t.test('our account may do what it must, and nothing that is worth stealing', async t => {
  const our = account(home, release)
  const pods = (verb: string, subresource?: string): Right =>
    ({ group: '', resource: 'pods', verb, namespace: shop, ...(subresource ? { subresource } : {}) })
  for (const right of [pods('get'), pods('patch', 'ephemeralcontainers'), pods('get', 'exec'), pods('create', 'exec')]) {
    t.equal(review(our, right), true, JSON.stringify(right))
    t.equal(review(our, { ...right, namespace: elsewhere }), false, 'only in rbac.namespaces')
  }
  const never: Right[] = [
    ...['create', 'update', 'patch', 'delete'].map(verb => pods(verb)),
    ...['attach', 'portforward', 'proxy', 'log'].flatMap(subresource => [pods('get', subresource), pods('create', subresource)]),
    ...['secrets', 'configmaps'].map(resource => ({ group: '', resource, verb: 'get', namespace: shop })),
    ...['secrets', 'configmaps'].map(resource => ({ group: '', resource, verb: 'get', namespace: home })),
    { group: '', resource: 'nodes', subresource: 'proxy', verb: 'get', namespace: '' },
    { group: '', resource: 'serviceaccounts', subresource: 'token', verb: 'create', namespace: home },
    ...['users', 'groups', 'serviceaccounts'].map(resource => ({ group: '', resource, verb: 'impersonate', namespace: '' })),
    { group: 'rbac.authorization.k8s.io', resource: 'clusterroles', verb: 'escalate', namespace: '' }
  ]
  for (const right of never) t.equal(review(our, right), false, JSON.stringify(right))
})

t.test('dns-lookup, launched from another pod through the Service, is done by our own ServiceAccount', async t => {
  const { status, body: job } = launch(dnsLookup(shop, web))
  t.equal(status, 200, JSON.stringify(job))
  t.match(job, { state: 'succeeded', verdict: 'pass', cluster: 'lab', requestedBy: { username: caller, authMethod: 'kubernetes' } })
  before.lookup = job
  const [measured] = job.pods.items
  const pod = readManaged(web)
  t.match(pod.spec.ephemeralContainers, [{ name: measured!.session!.ephemeralContainer, image: images().toolbox }])
  t.match(pod.metadata.managedFields.filter(({ subresource }) => subresource === 'ephemeralcontainers'), [{ manager: 'ephemera' }])
  const injection: Right = { group: '', resource: 'pods', subresource: 'ephemeralcontainers', verb: 'patch', namespace: shop }
  t.equal(review(caller, injection), false, 'the caller could not have done it')
  t.equal(review(account(home, release), injection), true)
})

t.test('our account reaches no pod outside of rbac.namespaces, whatever the caller may', async t => {
  const pod = makePod(elsewhere)
  const { status, body } = launch(dnsLookup(elsewhere, pod))
  t.equal(status, 503)
  t.match(body, { code: 'EPH_ACCOUNT_FORBIDDEN' })
  t.equal(kubectl('get', 'pod', '-n', elsewhere, pod, '-o', 'jsonpath={.spec.ephemeralContainers}'), '')
})

t.test('a caller without the right is answered 403 with the rule that is missing', async t => {
  const { status, body } = launch(capture)
  t.equal(status, 403)
  t.match(body, { code: 'EPH_FORBIDDEN', detail: /ephemera\.dev[^]*captures[^]*create/ })
  t.equal(readManaged(web).spec.ephemeralContainers?.length, 1, 'the pod was not touched')
})

t.test('only tokens made for Ephemera are taken', async t => {
  const tokenFor = (...audience: string[]) => kubectl('create', 'token', 'caller', '-n', callers, ...audience).trim()
  const whoami = (token: string) => api.call('GET', '/v1/whoami', { token })
  t.match(whoami(tokenFor('--audience=ephemera')), { status: 200 })
  for (const token of [tokenFor(), tokenFor('--audience=somebody-else'), 'no-token', '']) {
    t.match(whoami(token), { status: 401, body: { code: 'EPH_UNAUTHENTICATED' } })
  }
})

t.test('packet-capture stores what passes the pod, for whom that was allowed', async t => {
  bind(shop, 'capturer')
  while (!review(caller, { group: 'ephemera.dev', resource: 'captures', verb: 'create', namespace: shop })) await delay(100)
  const { status, body: job } = launch(capture)
  t.equal(status, 200, JSON.stringify(job))
  t.match(job, { state: 'succeeded', verdict: 'pass' }, JSON.stringify(job.error))
  const [measured] = job.pods.items
  t.match(measured, { report: { droppedByKernel: 0 }, session: { profile: 'netraw' } })
  t.ok(Number(measured!.report?.packets) > 0, `${measured!.report?.packets} packets`)
  const [artifact] = measured!.runs[0]!.artifacts
  const pcap = api.bytes(`/v1/artifacts/${artifact!.id}/content`)
  t.equal(pcap.length, artifact!.sizeBytes)
  t.equal(sha256(pcap), artifact!.sha256)
  const stored = readdirSync(s3.folder, { recursive: true }).map(String)
  t.ok(stored.some(name => name.includes(artifact!.id)), 'it lies in the bucket')
  before.artifactId = artifact!.id
  before.sha256 = sha256(pcap)
})

t.test('no request fails while our pod is replaced, and history is kept', async t => {
  const old = serverPods()
  const stopAsking = api.keepAsking(`/v1/jobs/${before.lookup!.id}`)
  kubectl('rollout', 'restart', '-n', home, `deployment/${release}`)
  kubectl('rollout', 'status', '-n', home, `deployment/${release}`, '--timeout=180s')
  while (serverPods().includes(old)) await delay(500)
  const statuses = await stopAsking()
  t.ok(statuses.length > 20, `${statuses.length} requests`)
  t.same(statuses.filter(status => status !== '200'), [])
  const { body: job } = api.call<Job>('GET', `/v1/jobs/${before.lookup!.id}`)
  t.same({ ...job, url: null }, { ...before.lookup, url: null })
  const runId = before.lookup!.pods.items[0]!.runs[0]!.id
  t.match(api.call<string>('GET', `/v1/runs/${runId}/output?stream=stdout`), { status: 200, body: /web\.shop/ })
  t.equal(sha256(api.bytes(`/v1/artifacts/${before.artifactId}/content`)), before.sha256)
})

t.test('workers measure where there are some, in the sessions that live', async t => {
  install('--set', 'worker.replicas=1')
  const { status, body: job } = launch(dnsLookup(shop, web))
  t.equal(status, 200, JSON.stringify(job))
  t.match(job, { state: 'succeeded', verdict: 'pass' })
  t.match(job.pods.items[0]?.session, { id: before.lookup!.pods.items[0]!.session!.id, reused: true })
  const logOf = (component: string) => kubectl('logs', '-n', home, '-l', `app.kubernetes.io/component=${component}`, '--tail=-1')
  t.notMatch(logOf('worker'), /"level":(?:50|60)/)
  t.notMatch(logOf('server'), /"level":(?:50|60)/)
})

t.test('helm uninstall leaves nothing of the chart', async t => {
  helm(['uninstall', release, '--namespace', home, '--wait', '--timeout', '180s'])
  const kinds = [
    'deployments', 'replicasets', 'pods', 'services', 'endpointslices', 'serviceaccounts', 'configmaps', 'secrets', 'roles', 'rolebindings', 'clusterroles',
    'clusterrolebindings'
  ].join()
  const left = () => kubectl('get', kinds, '--all-namespaces', '-l', `app.kubernetes.io/instance=${release}`, '-o', 'name').trim()
  for (const end = Date.now() + 120_000; left() !== '' && Date.now() < end;) await delay(500)
  t.equal(left(), '')
  t.equal(kubectl('get', 'secrets', '-n', home, '-l', 'owner=helm', '-o', 'name').trim(), '')
})

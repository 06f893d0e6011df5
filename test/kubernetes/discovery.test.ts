import { t, type Test } from 'tap'
import { isOlder, minimumVersion, stageOf } from '#jobs/cluster-version.ts'
import { connectCluster } from '../../src/kubernetes/cluster.ts'
import { createFakeApiServer, status, type Answers } from './fake-api-server.ts'
import { recorded, running } from './recorded-pods.ts'
import { summarizePod } from '../../src/kubernetes/pod-summary.ts'

const pods = { name: 'pods', singularName: '', namespaced: true, kind: 'Pod', verbs: ['create', 'get', 'list', 'patch', 'watch'] }

/** What /api/v1 of these versions lists, cut down to what concerns pods. */
const discovered: Record<string, object[]> = {
  // The gate EphemeralContainers was off by default.
  'v1.22.17': [pods],
  // Where it was switched on before 1.22, the subresource was an object of another kind.
  'v1.20.15': [pods, { name: 'pods/ephemeralcontainers', namespaced: true, kind: 'EphemeralContainers', verbs: ['get', 'patch', 'update'] }],
  'v1.23.17': [pods, { name: 'pods/ephemeralcontainers', namespaced: true, kind: 'Pod', verbs: ['get', 'patch', 'update'] }],
  'v1.34.4': [pods, { name: 'pods/ephemeralcontainers', namespaced: true, kind: 'Pod', verbs: ['get', 'patch', 'update'] }]
}

async function clusterOf (t: Test, version: string, answers: Answers = {}) {
  const server = await createFakeApiServer(t, {
    'GET /version': () => ({ body: { gitVersion: version } }),
    'GET /api/v1': () => ({ body: { kind: 'APIResourceList', groupVersion: 'v1', resources: discovered[version]! } }),
    ...answers
  })
  const cluster = connectCluster(server.config)
  t.teardown(() => cluster.close())
  return cluster
}

for (const [version, ephemeralContainers] of Object.entries({ 'v1.20.15': false, 'v1.22.17': false, 'v1.23.17': true, 'v1.34.4': true })) {
  t.test(`discovery of ${version} ${ephemeralContainers ? 'offers' : 'lacks'} ephemeral containers`, async t => {
    t.same(await (await clusterOf(t, version)).reader.info(), { version, ephemeralContainers })
  })
}

t.test('injecting into a cluster without the subresource is refused with its own code', async t => {
  const pod = summarizePod(running())
  const { namespace, name } = pod
  const cluster = await clusterOf(t, 'v1.22.17', {
    [`PATCH /api/v1/namespaces/${namespace}/pods/${name}/ephemeralcontainers`]: () =>
      status(404, 'the server could not find the requested resource', { reason: 'NotFound', details: {} })
  })
  const container = { name: recorded('f'), image: `toolbox@sha256:${'0'.repeat(64)}`, profile: 'restricted' as const, sharedContainer: null }
  await t.rejects(cluster.injector.dryRun(pod, container), { code: 'EPH_EPHEMERAL_UNSUPPORTED' })
})

t.test('a version says how far ephemeral containers can be relied on, once discovery lists them', async t => {
  t.same(['v1.22.17', 'v1.23.17', 'v1.24.0', 'v1.25.0', 'v1.34.4+k3s1'].map(version => stageOf(version, true)), ['beta', 'beta', 'beta', 'stable', 'stable'])
  t.equal(stageOf('v1.24.17', false), 'absent')
  t.equal(stageOf('v1.34.4', false), 'absent')
})

t.test('versions are compared by number', async t => {
  t.equal(minimumVersion, '1.25')
  for (const version of ['v1.24.17', 'v1.9.0', 'v0.25.0']) t.equal(isOlder(version, minimumVersion), true, version)
  for (const version of ['v1.25.0', 'v1.25.3-gke.800', 'v1.34.4+k3s1', 'v2.0.0']) t.equal(isOlder(version, minimumVersion), false, version)
})

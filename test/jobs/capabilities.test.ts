import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { Right } from '#core/principal.ts'
import { capture, drive, lookup } from '../support/drive.ts'
import { caller, exampleNamespace, nameOf } from '../support/fake-ports.ts'

const without = { works: false } as const

t.test('where all is well, all of it is said, and nothing stands in the way', async t => {
  const { useCases } = drive(t, without)
  t.match(await useCases.capabilities(caller), {
    cluster: 'local',
    version: 'v1.34.4',
    ephemeralContainers: true,
    ephemeralContainersStage: 'stable',
    minimumVersion: '1.25',
    images: [{ name: 'toolbox', registry: 'registry.example' }],
    account: { namespaces: 0, missingRights: [], unread: [] },
    diagnostics: [{ name: 'lookup', missingRights: [] }, { name: 'capture', missingRights: [] }],
    podSecurity: { levels: [{ level: 'none', namespaces: 1 }], unread: [] },
    admission: { policies: [], unread: [] },
    cni: { names: ['Cilium'], unread: [] },
    landlock: { nodes: 0, version: null, meaning: /^Unknown/ },
    warnings: []
  })
})

t.test('an old cluster is told what it lacks', async t => {
  const { useCases, cluster } = drive(t, without)
  cluster.reader.info = async () => ({ version: 'v1.22.3', ephemeralContainers: false })
  const { ephemeralContainersStage, warnings } = await useCases.capabilities(caller)
  t.equal(ephemeralContainersStage, 'absent')
  t.match(warnings, [/lists no pods\/ephemeralcontainers/, /v1.22.3 is older than 1.25/])
})

t.test('what our account lacks is said for the diagnostics that need it', async t => {
  const reading = { ...lookup(), name: 'reading', reads: () => [] }
  const { useCases, cluster } = drive(t, { ...without, diagnostics: [lookup(), capture(), reading] })
  cluster.denied.add('patch pods ').add('list networkpolicies ').add('get jobs ')
  const { diagnostics, account, warnings } = await useCases.capabilities(caller)
  t.same(diagnostics, [
    { name: 'lookup', missingRights: ['patch pods/ephemeralcontainers'] },
    { name: 'capture', missingRights: ['patch pods/ephemeralcontainers'] },
    { name: 'reading', missingRights: ['patch pods/ephemeralcontainers', 'list networking.k8s.io/networkpolicies'] }
  ])
  t.same(account, { namespaces: 0, missingRights: ['get batch/jobs'], unread: [] })
  t.match(warnings, [/lacks: patch pods\/ephemeralcontainers, list networking/, /cannot find the pods of every target; it lacks: get batch\/jobs/])
})

t.test('an account of some namespaces is asked about there, where it may not do everything everywhere', async t => {
  const { useCases, cluster, context } = drive(t, { ...without, policy: { namespaces: ['shop', 'orders'] } })
  const asked: Right[] = []
  context.reviewer.selfAllowed = async right => {
    asked.push(right)
    return right.namespace !== '' ? !cluster.denied.has(nameOf(right)) : right.resource !== 'pods'
  }
  cluster.denied.add('patch pods orders')
  const { diagnostics, account, warnings } = await useCases.capabilities(caller)
  t.same(diagnostics[0]?.missingRights, ['patch pods/ephemeralcontainers (in 1 of 2 namespaces)'])
  t.same(account, { namespaces: 2, missingRights: [], unread: [] })
  t.equal(warnings.length, 1)
  t.ok(asked.every(({ namespace, resource }) => namespace === '' || resource === 'pods'), 'only what it may not do everywhere is asked again')
  t.notOk(JSON.stringify([diagnostics, account, warnings]).includes('orders'), 'who calls need not know the namespaces')
})

t.test('of many namespaces only some are asked about', async t => {
  const { useCases, context } = drive(t, { ...without, policy: { namespaces: Array.from({ length: 500 }, (_, nth) => `n-${nth}`) } })
  let count = 0
  context.reviewer.selfAllowed = async () => {
    count++
    return false
  }
  t.match(await useCases.capabilities(caller), { account: { namespaces: 20 } })
  t.ok(count < 400, `${count} reviews`)
})

t.test('levels of PodSecurity are counted, and said where they stand in the way', async t => {
  const { useCases, cluster } = drive(t, without)
  const level = (name: string, value: string) => exampleNamespace({ name, labels: { 'pod-security.kubernetes.io/enforce': value } })
  cluster.namespaces.push(level('a', 'restricted'), level('b', 'restricted'), level('c', 'baseline'), level('d', 'privileged'))
  const { podSecurity, warnings } = await useCases.capabilities(caller)
  t.same(podSecurity.levels, [
    { level: 'privileged', namespaces: 1 }, { level: 'baseline', namespaces: 1 }, { level: 'restricted', namespaces: 2 }, { level: 'none', namespaces: 1 }
  ])
  t.match(warnings, [/restricted holds in 2 namespaces/, /baseline holds in 1 namespaces/])
})

t.test('policies are named, an unknown network is called unknown', async t => {
  const { useCases, cluster } = drive(t, without)
  const policies = [{ kind: 'MutatingWebhookConfiguration' as const, name: 'mesh', bindings: [] }]
  cluster.reader.admission = async () => ({ policies, unread: [] })
  cluster.reader.network = async () => ({ names: [], signs: [], unread: [] })
  const { admission, cni, warnings } = await useCases.capabilities(caller)
  t.same([admission.policies, cni.names], [policies, []])
  t.match(warnings, [/^1 admission policies or webhooks/, /network of the cluster is unknown/])
})

t.test('a part that cannot be read says so, and the others are there', async t => {
  const { useCases, cluster, context } = drive(t, without)
  const fails = (what: string) => async () => { throw new Problem('EPH_ACCOUNT_FORBIDDEN', `Cannot ${what}: the rule is missing`) }
  cluster.reader.namespaces = fails('list namespaces')
  context.reviewer.selfAllowed = fails('ask for the rights of Ephemera')
  cluster.reader.admission = async () => ({ policies: [], unread: ['Cannot list webhooks'] })
  cluster.reader.network = async () => ({ names: ['Calico'], signs: [], unread: ['Cannot list nodes'] })
  const { account, podSecurity, cni, version, warnings } = await useCases.capabilities(caller)
  t.same([account.unread.length, podSecurity.unread.length, podSecurity.levels, cni.names, version], [1, 1, [], ['Calico'], 'v1.34.4'])
  t.same(warnings.length, 4)
  t.ok(warnings.every(text => text.startsWith('Not known in full: Cannot ')))
})

t.test('a cluster that cannot be reached is no capability', async t => {
  const { useCases, cluster } = drive(t, without)
  cluster.reader.info = async () => { throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot read the version of the cluster') }
  await t.rejects(useCases.capabilities(caller), { code: 'EPH_CLUSTER_UNAVAILABLE' })
})

t.test('calls that come soon after each other ask the cluster once, a failure is asked again', async t => {
  const { useCases, cluster } = drive(t, without)
  let count = 0
  cluster.reader.info = async () => {
    if (++count === 1) throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot read the version of the cluster')
    return { version: 'v1.34.4', ephemeralContainers: true }
  }
  await t.rejects(useCases.capabilities(caller))
  await Promise.all([useCases.capabilities(caller), useCases.capabilities(caller)])
  await useCases.capabilities(caller)
  t.equal(count, 2)
})

t.test('what runners said of Landlock is told, also while the rest is remembered', async t => {
  const { useCases, channels, run } = drive(t)
  t.match(await useCases.capabilities(caller), { landlock: { nodes: 0, version: null } })
  await run()
  t.match(await useCases.capabilities(caller), { landlock: { nodes: 1, unconfined: 0, version: 6, meaning: /^On all 1 nodes/ }, warnings: [] })
  channels.hellos.set('node-2', { ...channels.hellos.get('node-1')!, landlock: 0 })
  t.match(await useCases.capabilities(caller), { landlock: { nodes: 2, unconfined: 1, version: 0 }, warnings: [/On 1 of 2 nodes the kernel has no Landlock/] })
})

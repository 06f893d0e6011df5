import { t } from 'tap'
import { summarizePod } from '../../src/kubernetes/pod-summary.ts'
import { parseQuantity } from '../../src/kubernetes/quantity.ts'
import { changed, pending, recorded, running } from './recorded-pods.ts'

t.test('a running pod', async t => {
  const pod = running()
  t.match(summarizePod(pod), {
    namespace: 'shop',
    name: 'app',
    uid: pod.metadata!.uid,
    node: pod.spec!.nodeName,
    zone: null,
    phase: 'Running',
    ready: true,
    deleting: false,
    static: false,
    hostNetwork: false,
    hostPID: false,
    shareProcessNamespace: false,
    os: 'linux',
    owner: null,
    revision: null,
    labels: { app: 'app' },
    podIPs: [pod.status!.podIP],
    restarts: 0,
    pullSecrets: ['team-registry'],
    containers: [{ name: 'app', image: /sample-app@sha256/, ports: [{ name: 'http', port: 8080, protocol: 'TCP' }], running: true, memoryLimitBytes: 134_217_728 }]
  })
})

t.test('the pod\'s own part of its resolver file', t => {
  t.match(summarizePod(running()), { dnsPolicy: 'ClusterFirst', dnsConfig: null })
  const own = changed(({ spec }) => {
    spec.dnsPolicy = 'None'
    spec.dnsConfig = { nameservers: ['192.0.2.1'], options: [{ name: 'ndots', value: '2' }, { name: 'rotate' }] }
  })
  t.match(summarizePod(own), { dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.1'], searches: [], options: ['ndots:2', 'rotate'] } })
  t.end()
})

t.test('ephemeral containers: waiting, never started, running', async t => {
  const byName = new Map(summarizePod(running()).ephemeral.map(container => [container.name, container]))
  t.match(byName.get(recorded('a')), { running: false, exitReason: null })
  t.match(byName.get(recorded('b')), { running: false, exitReason: null })
  t.match(byName.get(recorded('c')), { running: true, exitReason: null, image: /toolbox@sha256/ })
  const ended = changed(({ status }) => { status.ephemeralContainerStatuses![2]!.state = { terminated: { exitCode: 137 } } })
  t.match(summarizePod(ended).ephemeral.find(({ name }) => name === recorded('c')), { running: false, exitReason: 'exit code 137' })
})

t.test('a pending pod has no address and no state', async t => {
  t.match(summarizePod(pending()), { phase: 'Pending', ready: false, node: null, podIPs: [], containers: [{ running: false, memoryLimitBytes: null }], ephemeral: [] })
})

t.test('pods that are special', async t => {
  t.equal(summarizePod(changed(({ metadata }) => { metadata.annotations = { 'kubernetes.io/config.mirror': 'a1', 'kubernetes.io/config.source': 'file' } })).static, true)
  t.equal(summarizePod(changed(({ metadata }) => { metadata.deletionTimestamp = new Date() })).deleting, true)
  t.equal(summarizePod(changed(({ status }) => { status.phase = 'Succeeded' })).phase, 'Succeeded')
  t.match(summarizePod(changed(({ spec }) => { Object.assign(spec, { hostNetwork: true, hostPID: true, shareProcessNamespace: true }) })),
    { hostNetwork: true, hostPID: true, shareProcessNamespace: true })
  t.equal(summarizePod(changed(({ spec }) => { Object.assign(spec, { os: { name: 'windows' } }) })).os, 'windows')
  t.equal(summarizePod(changed(({ spec }) => { Object.assign(spec, { nodeSelector: { 'kubernetes.io/os': 'windows' } }) })).os, 'windows')
  t.equal(summarizePod(changed(({ metadata }) => { metadata.labels = { 'topology.kubernetes.io/zone': 'eu-1a' } })).zone, 'eu-1a')
})

const owned = (kind: string, name: string, labels: Record<string, string>, controller = true) => summarizePod(changed(({ metadata }) => {
  metadata.labels = labels
  metadata.ownerReferences = [{ apiVersion: 'apps/v1', kind, name, uid: 'u', controller }]
}))

t.test('the owner of a pod of a Deployment is the Deployment', async t => {
  t.match(owned('ReplicaSet', 'web-f45f89b6c', { 'pod-template-hash': 'f45f89b6c' }), { owner: { kind: 'Deployment', name: 'web' }, revision: 'f45f89b6c' })
  t.match(owned('ReplicaSet', 'web', {}), { owner: { kind: 'ReplicaSet', name: 'web' }, revision: null })
  t.match(owned('ReplicaSet', 'web-1', { 'pod-template-hash': 'other' }), { owner: { kind: 'ReplicaSet', name: 'web-1' } })
  t.match(owned('StatefulSet', 'db', { 'controller-revision-hash': 'db-7c' }), { owner: { kind: 'StatefulSet', name: 'db' }, revision: 'db-7c' })
  t.equal(owned('Job', 'x', {}, false).owner, null)
})

t.test('a pod is bound as a whole, or by all of its containers that stay', async t => {
  const limited = (memory?: string) => memory === undefined ? {} : { resources: { limits: { memory } } }
  const boundOf = (containers: object[], rest: object = {}) => summarizePod(changed(({ spec }) => {
    Object.assign(spec, { containers: containers.map(container => ({ name: 'app', image: 'web', ...container })), initContainers: [], ...rest })
  })).memoryLimitBytes
  t.equal(boundOf([limited('64Mi'), limited('32Mi')]), 96 << 20)
  t.equal(boundOf([limited('64Mi'), limited()]), null)
  t.equal(boundOf([limited('64Mi')], { initContainers: [{ name: 'proxy', restartPolicy: 'Always', ...limited('32Mi') }, { name: 'setup' }] }), 96 << 20)
  t.equal(boundOf([limited('64Mi')], { initContainers: [{ name: 'proxy', restartPolicy: 'Always' }] }), null)
  t.equal(boundOf([limited()], { resources: { limits: { memory: '128Mi' } } }), 128 << 20)
})

t.test('quantities', async t => {
  for (const [text, value] of [['64Mi', 67_108_864], ['1.5G', 1.5e9], ['1e3', 1000], ['134217728', 134_217_728], ['500m', 0.5], ['2Ki', 2048]] as const) {
    t.equal(parseQuantity(text), value, text)
  }
  for (const text of [undefined, '', 'much', '1Xi', '1.2.3']) t.equal(parseQuantity(text), null, String(text))
})

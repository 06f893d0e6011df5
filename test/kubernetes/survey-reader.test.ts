import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { t, type Test } from 'tap'
import { policiesForPods, webhooksForPods } from '../../src/kubernetes/admission-policies.ts'
import { connectCluster } from '../../src/kubernetes/cluster.ts'
import { recognizeNetworks } from '../../src/kubernetes/known-networks.ts'
import { requestedBytes } from '../../src/kubernetes/survey-reader.ts'
import { createFakeApiServer, status, type Answers } from './fake-api-server.ts'

const admission = '/apis/admissionregistration.k8s.io/v1'
const rule = (resources: string[], apiGroups = ['']) => ({ apiGroups, apiVersions: ['v1'], operations: ['*'], resources })
const policy = (name: string, ...resourceRules: object[]) => ({ metadata: { name }, spec: { matchConstraints: { resourceRules } } })
const webhook = (name: string, ...rules: object[]) => ({ metadata: { name }, webhooks: [{ name, rules, clientConfig: {}, sideEffects: 'None', admissionReviewVersions: ['v1'] }] })
const forbidden = (resource: string, group = 'admissionregistration.k8s.io') => () => status(403,
  `${resource} is forbidden: User "ephemera" cannot list resource "${resource}" in API group "${group}" at the cluster scope`)

async function readerOf (t: Test, answers: Answers) {
  const server = await createFakeApiServer(t, answers)
  const cluster = connectCluster(server.config)
  t.teardown(() => cluster.close())
  return { reader: cluster.reader, requests: server.requests }
}

t.test('policies and webhooks count that look at pods, their ephemeral containers or exec', async t => {
  const binding = (name: string, policyName: string) => ({ metadata: { name }, spec: { policyName, validationActions: ['Deny'] } })
  const bindings = [binding('cage-all', 'cage'), binding('other', 'other')]
  t.strictSame(policiesForPods([
    policy('cage', rule(['deployments'], ['apps']), rule(['pods/ephemeralcontainers'])), policy('other', rule(['pods'], ['apps'])), policy('none')
  ], bindings), [{ kind: 'ValidatingAdmissionPolicy', name: 'cage', bindings: ['cage-all'] }])
  const names = (...resources: string[]) =>
    webhooksForPods('MutatingWebhookConfiguration', [webhook('w', rule(resources)) as never]).map(({ name }) => name)
  for (const resource of ['pods', '*', '*/*', 'pods/*', 'pods/ephemeralcontainers', '*/ephemeralcontainers', 'pods/exec']) t.same(names(resource), ['w'], resource)
  for (const resource of ['pods/status', 'services', 'podtemplates', '*/scale']) t.same(names(resource), [], resource)
  t.same(webhooksForPods('ValidatingWebhookConfiguration', [webhook('all', rule(['pods'], ['*'])) as never]).map(({ name }) => name), ['all'])
})

t.test('admission is read in four lists, of which some may be kept from us or not exist', async t => {
  const { reader, requests } = await readerOf(t, {
    [`GET ${admission}/validatingwebhookconfigurations`]: () => ({ body: { items: [webhook('guard', rule(['pods'])), webhook('else', rule(['services']))] } }),
    [`GET ${admission}/mutatingwebhookconfigurations`]: forbidden('mutatingwebhookconfigurations')
  })
  const { policies, unread } = await reader.admission()
  t.strictSame(policies, [{ kind: 'ValidatingWebhookConfiguration', name: 'guard', bindings: [] }])
  t.match(unread, [/Cannot list MutatingWebhookConfigurations: the account of Ephemera, "ephemera", lacks the rule .*mutatingwebhookconfigurations/])
  t.ok(requests.every(({ query }) => Number(query.get('limit')) > 0), 'each is bounded')
})

const node = (annotations: Record<string, string>, reason?: string): V1Node =>
  ({ metadata: { annotations }, status: { conditions: reason ? [{ type: 'NetworkUnavailable', status: 'False', reason }] : [] } })

t.test('networks are known by groups, annotations, conditions and DaemonSets', async t => {
  const nothing = { groups: ['apps', 'batch'], nodes: [node({ 'node.alpha.kubernetes.io/ttl': '0' })], daemonSets: [] }
  t.same(recognizeNetworks(nothing), { names: [], signs: [] })
  t.same(recognizeNetworks({ ...nothing, groups: ['cilium.io'] }), { names: ['Cilium'], signs: ['Cilium: group cilium.io in the API'] })
  t.same(recognizeNetworks({ ...nothing, nodes: [node({ 'flannel.alpha.coreos.com/backend-type': 'vxlan' })] }).signs, [
    'Flannel: annotation flannel.alpha.coreos.com/backend-type of a node'])
  t.same(recognizeNetworks({ ...nothing, nodes: [node({}), node({}, 'WeaveIsUp')] }).signs, ['Weave Net: condition WeaveIsUp of a node'])
  t.same(recognizeNetworks({ ...nothing, daemonSets: ['kindnet'] }).signs, ['kindnet: DaemonSet kindnet'])
  const both = recognizeNetworks({ ...nothing, groups: ['crd.projectcalico.org'], nodes: [node({ 'flannel.alpha.coreos.com/x': '' })] })
  t.same(both.names, ['Calico', 'Flannel'], 'as Canal does')
})

t.test('DaemonSets are asked for only where nothing else tells the network', async t => {
  const answers: Answers = {
    'GET /apis': () => ({ body: { kind: 'APIGroupList', groups: [{ name: 'cilium.io', versions: [] }] } }),
    'GET /api/v1/nodes': () => ({ body: { items: [node({})] } }),
    'GET /apis/apps/v1/namespaces/kube-system/daemonsets/kindnet': () => ({ body: { metadata: { name: 'kindnet' } } })
  }
  const known = await readerOf(t, answers)
  t.same(await known.reader.network(), { names: ['Cilium'], signs: ['Cilium: group cilium.io in the API'], unread: [] })
  t.notOk(known.requests.some(({ path }) => path.includes('daemonsets')))
  const unknown = await readerOf(t, { ...answers, 'GET /apis': () => ({ body: { groups: [] } }), 'GET /api/v1/nodes': forbidden('nodes', '') })
  t.match(await unknown.reader.network(), { names: ['kindnet'], unread: [/^Cannot list nodes: /] })
})

const asks = (memory?: string) => memory === undefined ? {} : { resources: { requests: { memory } } }
const pod = (spec: object): V1Pod => ({ spec: { containers: [], ...spec } })

t.test('a pod asks for what the scheduler counts', async t => {
  t.equal(requestedBytes(pod({})), 0)
  t.equal(requestedBytes(pod({ containers: [asks('64Mi'), asks(), asks('1Gi')] })), 1088 << 20)
  t.equal(requestedBytes(pod({ containers: [asks('64Mi')], initContainers: [asks('1Gi')] })), 1 << 30, 'starting takes more')
  t.equal(requestedBytes(pod({ containers: [asks('64Mi')], initContainers: [{ restartPolicy: 'Always', ...asks('32Mi') }, asks('16Mi')] })), 96 << 20)
  t.equal(requestedBytes(pod({ containers: [asks('64Mi')], ...asks('128Mi'), overhead: { memory: '8Mi' } })), 136 << 20, 'asked for as a whole')
})

t.test('the memory that is left on a node is what its pods do not ask for', async t => {
  const { reader, requests } = await readerOf(t, {
    'GET /api/v1/nodes/node-1': () => ({ body: { metadata: { name: 'node-1' }, status: { allocatable: { memory: '1Gi' } } } }),
    'GET /api/v1/pods': () => ({ body: { items: [pod({ containers: [asks('256Mi')] }), pod({ containers: [asks('128Mi')] })] } })
  })
  t.same(await reader.nodeMemory('node-1'), { allocatableBytes: 1 << 30, requestedBytes: 384 << 20 })
  t.match(requests.at(-1)!.query.get('fieldSelector'), /spec\.nodeName=node-1/)
  t.equal(await reader.nodeMemory('node-2'), null)
  await t.rejects(reader.nodeMemory('../node-1'))
})

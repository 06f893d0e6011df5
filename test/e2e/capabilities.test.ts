import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import type { CapabilitiesView } from '#core/capabilities.ts'
import { loadKubeConfig } from '../../src/kubernetes/kube-config.ts'
import { chart, helm, leastValues, type Manifest } from '../support/chart.ts'
import { apply, kubeconfig, kubectl, labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startService, type Service } from '../support/service.ts'

const name = `ephemera-${randomBytes(3).toString('hex')}`
const [home, shop, orders, elsewhere] = [makeNamespace(t), makeNamespace(t), makeNamespace(t), makeNamespace(t)]
const pod = makePod(shop)
const capabilities = async (service: Service) => (await service.call<CapabilitiesView>('GET', '/v1/capabilities')).body

/** A policy that forbids nothing, and holds only in a namespace of this test. */
apply({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name },
  spec: {
    matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['pods/ephemeralcontainers'] }] },
    validations: [{ expression: 'true' }]
  }
})
apply({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  metadata: { name },
  spec: { policyName: name, validationActions: ['Deny'], matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': home } } } }
})
t.teardown(() => { kubectl('delete', 'validatingadmissionpolicy,validatingadmissionpolicybinding', name) })

/** The kubeconfig of our account as the chart makes it, with rights around pods in these namespaces only. */
function accountOf (namespaces: string[]): string {
  const files = ['rbac', 'serviceaccount'].flatMap(file => ['-s', `templates/${file}.yaml`])
  const args = ['template', name, chart, '--namespace', home, '--kube-version', '1.34.0', '--values', '-', ...files]
  const items = parseAllDocuments(helm(args, { ...leastValues, rbac: { namespaces } })).map(document => document.toJS() as Manifest)
  // Helm would put it there.
  for (const { kind, metadata } of items) if (kind === 'ServiceAccount') metadata.namespace = home
  apply({ apiVersion: 'v1', kind: 'List', items })
  t.teardown(() => { kubectl('delete', 'clusterrole,clusterrolebinding', '-l', `app.kubernetes.io/instance=${name}`) })
  const config = loadKubeConfig({ kubeconfig: kubeconfig() })
  config.loadFromClusterAndUser(config.getCurrentCluster()!, { name, token: kubectl('create', 'token', name, '-n', home).trim() })
  const folder = mkdtempSync(join(tmpdir(), 'ephemera-kubeconfig-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  writeFileSync(join(folder, 'config'), config.exportConfig(), { mode: 0o600 })
  return join(folder, 'config')
}

t.test('an account that may do everything lacks nothing, and learns of Landlock with its first session', async t => {
  const service = await startService({ env: labEnvironment() })
  t.teardown(() => service.stop())
  const first = await capabilities(service)
  t.match(first, {
    version: /^v1\.3\d/,
    ephemeralContainers: true,
    ephemeralContainersStage: 'stable',
    account: { namespaces: 0, missingRights: [], unread: [] },
    cni: { names: [], unread: [] },
    landlock: { nodes: 0, version: null }
  })
  t.ok(first.diagnostics.length > 2 && first.diagnostics.every(({ missingRights }) => missingRights.length === 0))
  t.strictSame(first.admission.policies.filter(policy => policy.name === name), [{ kind: 'ValidatingAdmissionPolicy', name, bindings: [name] }])
  t.strictSame([first.podSecurity.unread, first.admission.unread], [[], []])
  const levels = new Map(first.podSecurity.levels.map(({ level, namespaces }) => [level, namespaces]))
  for (const level of ['baseline', 'restricted', 'none'] as const) t.ok(levels.get(level)! > 0, level)
  t.ok(first.warnings.some(text => /PodSecurity restricted holds in \d+ namespaces/.test(text)))
  t.ok(first.warnings.some(text => /network of the cluster is unknown/.test(text)), 'a bridge that is nobody\'s')
  const job = await service.launch({ diagnostic: 'dns-lookup', target: { namespace: shop, pod }, params: { names: ['orders.shop'] } }, { prefer: 'wait=50' })
  t.match(job, { state: 'succeeded' })
  const { landlock } = await capabilities(service)
  t.match(landlock, { nodes: 1, version: Number })
  t.equal(landlock.unconfined, landlock.version === 0 ? 1 : 0)
})

t.test('the chart\'s account lacks nothing in its namespaces, and says in how many it does', async t => {
  const env = { ...labEnvironment(), EPHEMERA_KUBECONFIG: accountOf([shop, orders]) }
  const start = async (namespaces: string[]) => {
    const service = await startService({ env: { ...env, EPHEMERA_NAMESPACES: namespaces.join() } })
    t.teardown(() => service.stop())
    return capabilities(service)
  }
  const within = await start([shop, orders])
  t.match(within, { account: { namespaces: 2, missingRights: [], unread: [] }, admission: { unread: [] }, podSecurity: { unread: [] } })
  t.strictSame(within.diagnostics.flatMap(({ missingRights }) => missingRights), [])
  t.ok(within.admission.policies.some(policy => policy.name === name), 'the chart lets it list policies')
  t.ok(within.cni.unread.some(text => /kube-system/.test(text)), 'and says what it may not read: DaemonSets of kube-system')

  const beyond = await start([shop, orders, elsewhere])
  t.match(beyond.account, { namespaces: 3 })
  for (const { name, missingRights } of beyond.diagnostics) t.ok(missingRights.includes('patch pods/ephemeralcontainers (in 1 of 3 namespaces)'), name)
  t.notOk(JSON.stringify(beyond).includes(elsewhere), 'namespaces are not named')
})

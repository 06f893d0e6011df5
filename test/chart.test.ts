import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as client from '@kubernetes/client-node'
import t from 'tap'
import { Environment, readConfig } from '../src/config.ts'
import { chart, leastValues, refusal, render, type Manifest, type PodSpec, type Rule } from './support/chart.ts'

const flat = (rules: Rule[]): string[] => rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.flatMap(group =>
  resources.flatMap(resource => verbs.map(verb => `${verb} ${group === '' ? '' : `${group}/`}${resource}`)))).sort()

const find = (manifests: Manifest[], kind: string, name: string): Manifest | undefined =>
  manifests.find(manifest => manifest.kind === kind && manifest.metadata.name === name)
const rulesOf = (manifests: Manifest[], name: string) => flat(find(manifests, 'ClusterRole', name)?.rules ?? [])
const podOf = (manifests: Manifest[], name: string): PodSpec => find(manifests, 'Deployment', name)!.spec!.template.spec
const environmentOf = (pod: PodSpec) => pod.containers[0]!.env
const valueOf = (pod: PodSpec, name: string) => environmentOf(pod).find(variable => variable.name === name)?.value

const everywhere = [
  'create authentication.k8s.io/tokenreviews',
  'create authorization.k8s.io/subjectaccessreviews',
  'get namespaces',
  'get nodes',
  'list admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'list admissionregistration.k8s.io/validatingadmissionpolicies',
  'list admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'list admissionregistration.k8s.io/validatingwebhookconfigurations',
  'list namespaces',
  'list nodes'
]
const aroundPods = [
  'create pods/exec',
  'get apps/daemonsets',
  'get apps/deployments',
  'get apps/replicasets',
  'get apps/statefulsets',
  'get batch/jobs',
  'get pods',
  'get pods/exec',
  'get services',
  'list apps/replicasets',
  'list discovery.k8s.io/endpointslices',
  'list networking.k8s.io/networkpolicies',
  'list pods',
  'list services',
  'patch pods/ephemeralcontainers',
  'watch pods'
]

t.test('chart gives our account exactly these rights', async t => {
  const manifests = render()
  t.same(rulesOf(manifests, 'ephemera'), everywhere)
  t.same(rulesOf(manifests, 'ephemera-pods'), aroundPods)
  const bound = manifests.filter(({ kind }) => kind.endsWith('Binding')).map(({ kind, roleRef, subjects }) => ({ kind, role: roleRef?.name, subjects }))
  const subjects = [{ kind: 'ServiceAccount', name: 'ephemera', namespace: 'diagnostics' }]
  t.same(bound, ['ephemera', 'ephemera-pods'].map(role => ({ kind: 'ClusterRoleBinding', role, subjects })))
})

/** What each call of src/kubernetes needs; none: every account may. */
const neededBy: Record<string, string[]> = {
  'authentication.createSelfSubjectReview': [],
  'authentication.createTokenReview': ['create authentication.k8s.io/tokenreviews'],
  'authorization.createSelfSubjectAccessReview': [],
  'authorization.createSubjectAccessReview': ['create authorization.k8s.io/subjectaccessreviews'],
  'admission.listMutatingWebhookConfiguration': ['list admissionregistration.k8s.io/mutatingwebhookconfigurations'],
  'admission.listValidatingAdmissionPolicy': ['list admissionregistration.k8s.io/validatingadmissionpolicies'],
  'admission.listValidatingAdmissionPolicyBinding': ['list admissionregistration.k8s.io/validatingadmissionpolicybindings'],
  'admission.listValidatingWebhookConfiguration': ['list admissionregistration.k8s.io/validatingwebhookconfigurations'],
  'apps.listNamespacedReplicaSet': ['list apps/replicasets'],
  'apps.readNamespacedDaemonSet': ['get apps/daemonsets'],
  'apps.readNamespacedDeployment': ['get apps/deployments'],
  'apps.readNamespacedReplicaSet': ['get apps/replicasets'],
  'apps.readNamespacedStatefulSet': ['get apps/statefulsets'],
  'batch.readNamespacedJob': ['get batch/jobs'],
  'core.getAPIResources': [],
  'core.listNode': ['list nodes'],
  'groups.getAPIVersions': [],
  'core.listNamespace': ['list namespaces'],
  'core.listNamespacedPod': ['list pods'],
  'core.listNamespacedService': ['list services'],
  'core.listPodForAllNamespaces': ['list pods'],
  'core.listServiceForAllNamespaces': ['list services'],
  'core.patchNamespacedPodEphemeralcontainers': ['patch pods/ephemeralcontainers'],
  'core.readNamespace': ['get namespaces'],
  'core.readNamespacedPod': ['get pods'],
  'core.readNamespacedService': ['get services'],
  'core.readNode': ['get nodes'],
  'discovery.listNamespacedEndpointSlice': ['list discovery.k8s.io/endpointslices'],
  'networking.listNamespacedNetworkPolicy': ['list networking.k8s.io/networkpolicies'],
  'version.getCode': [],
  // Written by hand on a path: the watch, and the WebSocket of exec (which asks for create too from 1.35 on).
  '/api/v1/namespaces/*/pods': ['watch pods'],
  '/api/v1/namespaces/*/pods/*/exec': ['get pods/exec', 'create pods/exec']
}

const methods = new Set(Object.entries(client).flatMap(([name, value]) =>
  /^\w+V\d\w*Api$|^(?:Version|Apis|CustomObjects|Logs)Api$/.test(name) && typeof value === 'function' ? Object.getOwnPropertyNames(value.prototype) : []))

function callsOf (text: string): string[] {
  const typed = [...text.matchAll(/(\w+)\.(\w+) ?\(/g)].flatMap(([, owner, method]) =>
    methods.has(method!) && method !== 'constructor' ? [`${owner}.${method}`] : [])
  // Classes of the library that call whatever they are told.
  const helpers = [...text.matchAll(/new (KubernetesObjectApi|Exec|Attach|Log|Cp|PortForward|Watch|Metrics|ListWatch)\(/g)].map(([, name]) => `${name}`)
  const paths = [...text.matchAll(/\/apis?\/[^`'?\s]*/g)].map(([path]) => path.replace(/\$\{(?:[^{}]|\{[^}]*\})*\}/g, '*'))
  return [...typed, ...helpers, ...paths]
}

t.test('chart has a rule for each call to the API server, and none without a call', async t => {
  const folder = fileURLToPath(new URL('../src/kubernetes', import.meta.url))
  const calls = new Set(readdirSync(folder).flatMap(name => callsOf(readFileSync(join(folder, name), 'utf8'))))
  t.same([...calls].filter(call => !(call in neededBy)), [], 'each call is known to this test')
  t.same(Object.keys(neededBy).filter(call => !calls.has(call)), [], 'this test knows no call that is gone')
  const needed = [...new Set([...calls].flatMap(call => neededBy[call] ?? []))].sort()
  t.same(needed, [...everywhere, ...aroundPods].sort())
})

t.test('callsOf finds calls in every form that the code uses', async t => {
  t.same(callsOf('api.core.readNode({ name }, options)'), ['core.readNode'])
  t.same(callsOf('pods.deleteNamespacedPod({ name })'), ['pods.deleteNamespacedPod'])
  t.same(callsOf(`
    \${server}/api/v1/namespaces/\${check(name)}/pods/\${pod}/exec?\${query}`), ['/api/v1/namespaces/*/pods/*/exec'])
  t.same(callsOf('new Exec(config)'), ['Exec'])
  t.same(callsOf('config.getCurrentCluster()'), [])
})

t.test('each rule of our account says why', async t => {
  const lines = readFileSync(join(chart, 'templates/rbac.yaml'), 'utf8').split('\n')
  const rules = lines.flatMap((line, index) => /^ {2}- \{apiGroups/.test(line) ? [index] : [])
  t.ok(rules.length > 10)
  for (const index of rules) t.match(lines[index - 1], /^ {2}# \S/, `${lines[index]}`)
})

t.test('chart binds the rules around pods only in rbac.namespaces where there are some', async t => {
  const manifests = render({ ...leastValues, rbac: { namespaces: ['shop', 'orders'] } })
  const bound = manifests.filter(({ kind }) => kind.endsWith('Binding')).map(({ kind, metadata, roleRef }) => [kind, metadata.namespace, roleRef?.name])
  t.same(bound, [
    ['ClusterRoleBinding', undefined, 'ephemera'],
    ['RoleBinding', 'shop', 'ephemera-pods'],
    ['RoleBinding', 'orders', 'ephemera-pods']
  ])
  t.equal(valueOf(podOf(manifests, 'ephemera'), 'EPHEMERA_NAMESPACES'), 'shop,orders')
  t.equal(valueOf(podOf(render(), 'ephemera'), 'EPHEMERA_NAMESPACES'), undefined)
  t.same(render({ ...leastValues, rbac: { create: false } }).filter(({ kind }) => kind.endsWith('Binding')), [])
})

t.test('chart offers roles for callers, and adds them to no role of the cluster unless asked', async t => {
  const rights: Record<string, string[]> = {
    viewer: ['get ephemera.dev/jobs', 'list ephemera.dev/jobs', 'watch ephemera.dev/jobs'],
    launcher: ['create ephemera.dev/jobs', 'get ephemera.dev/jobs', 'list ephemera.dev/jobs', 'watch ephemera.dev/jobs'],
    capturer: [
      'create ephemera.dev/captures', 'create ephemera.dev/jobs', 'get ephemera.dev/jobs', 'get ephemera.dev/payloads', 'list ephemera.dev/jobs',
      'watch ephemera.dev/jobs'
    ]
  }
  const labels = (manifests: Manifest[]) => manifests.flatMap(({ metadata }) => Object.keys(metadata.labels)).filter(label => label.includes('aggregate'))
  const manifests = render()
  for (const [name, expected] of Object.entries(rights)) t.same(rulesOf(manifests, `ephemera-${name}`), expected)
  t.same(labels(manifests), [])
  const aggregated = labels(render({ ...leastValues, callers: { aggregate: true } }))
  t.same(aggregated.map(label => label.split('-to-')[1]).sort(), ['admin', 'edit', 'view'])
  t.same(rulesOf(render({ ...leastValues, callers: { create: false } }), 'ephemera-viewer'), [])
})

t.test('pods of the chart are hardened', async t => {
  const manifests = render({ ...leastValues, worker: { replicas: 1 } })
  for (const name of ['ephemera', 'ephemera-worker']) {
    const pod = podOf(manifests, name)
    t.match(pod, {
      serviceAccountName: 'ephemera',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } }
    })
    t.equal(pod.containers.length, 1)
    t.match(pod.containers[0], {
      securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      livenessProbe: { httpGet: { path: '/livez' } },
      readinessProbe: { httpGet: { path: '/readyz' } },
      resources: { requests: { cpu: String, memory: String }, limits: { memory: String } }
    })
    t.same(pod.volumes.map(({ name }) => name), ['tmp', 'account'])
    const [token] = pod.volumes[1]!.projected!.sources
    t.same(token, { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }, '3607 is what the API server turns into a year')
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) t.notOk(field in pod, field)
  }
  t.match(find(manifests, 'ServiceAccount', 'ephemera'), { automountServiceAccountToken: false })
})

t.test('chart leaves the service more time to stop than it takes', async t => {
  const byDefault = readConfig({ EPHEMERA_IMAGES: `toolbox=${leastValues.images.toolbox[0]}` }).environment.EPHEMERA_SHUTDOWN_GRACE_SECONDS
  const seconds = (settings: object) => podOf(render({ ...leastValues, settings }), 'ephemera').terminationGracePeriodSeconds
  t.ok(seconds({}) > byDefault + 15, `${seconds({})}`)
  t.ok(seconds({ EPHEMERA_SHUTDOWN_GRACE_SECONDS: 600 }) > 600 + 15)
  t.ok(seconds({ EPHEMERA_SHUTDOWN_GRACE_SECONDS: 0 }) < byDefault + 15, '0 is a value')
  t.ok(seconds({ EPHEMERA_LEAVE_SECONDS: 60 }) > 60 + 15)
})

t.test('chart lets the server answer until nobody is sent to it any more, unless told otherwise', async t => {
  const leaves = (settings: object) => environmentOf(podOf(render({ ...leastValues, settings }), 'ephemera'))
    .filter(({ name }) => name === 'EPHEMERA_LEAVE_SECONDS').map(({ value }) => value)
  t.same(leaves({}), ['5'])
  t.same(leaves({ EPHEMERA_LEAVE_SECONDS: 0 }), ['0'])
})

t.test('server measures only where there are no workers', async t => {
  const alone = render()
  t.equal(valueOf(podOf(alone, 'ephemera'), 'EPHEMERA_WORK'), 'true')
  t.equal(find(alone, 'Deployment', 'ephemera-worker'), undefined)
  const split = render({ ...leastValues, worker: { replicas: 3 } })
  t.equal(valueOf(podOf(split, 'ephemera'), 'EPHEMERA_WORK'), 'false')
  const worker = find(split, 'Deployment', 'ephemera-worker')!
  t.equal(worker.spec?.replicas, 3)
  t.same(podOf(split, 'ephemera-worker').containers[0]!.args, ['node', 'src/worker.ts'])
  t.same(podOf(split, 'ephemera').containers[0]!.args, ['node', 'src/server.ts'])
  t.match(find(split, 'Service', 'ephemera'), { spec: { selector: { 'app.kubernetes.io/component': 'server' } } })
})

t.test('what the chart sets is understood by the service', async t => {
  const digest = (digit: string) => `registry.example/toolbox@sha256:${digit.repeat(64)}`
  const pod = podOf(render({
    ...leastValues,
    images: { toolbox: [digest('2'), digest('1')], netshoot: [digest('3')] },
    database: { existingSecret: 'postgres', directUrlKey: 'DIRECT' },
    s3: { bucket: 'evidence', endpoint: 'https://s3.example', prefix: 'a/', existingSecret: 's3' },
    settings: { EPHEMERA_REQUESTS_PER_MINUTE: 1_000_000, EPHEMERA_ALLOW_HOST_PID: true, EPHEMERA_CLUSTER: 'one' }
  }), 'ephemera')
  const variables = Object.fromEntries(environmentOf(pod).map(({ name, value, valueFrom }) => [name, value ?? `from ${valueFrom?.secretKeyRef.name}`]))
  const { environment, images, refusedNamespaces, unknown } = readConfig(variables)
  t.same(unknown, [])
  t.same(images, [{ name: 'netshoot', references: [digest('3')] }, { name: 'toolbox', references: [digest('2'), digest('1')] }])
  t.same(refusedNamespaces, ['kube-system', 'diagnostics'], 'also where our own connections could be captured')
  t.match(environment, { EPHEMERA_REQUESTS_PER_MINUTE: 1_000_000, EPHEMERA_ALLOW_HOST_PID: true, EPHEMERA_CLUSTER: 'one', EPHEMERA_WORK: true })
  t.match(environment, { S3_BUCKET: 'evidence', S3_ENDPOINT: 'https://s3.example', S3_PREFIX: 'a/', DATABASE_DIRECT_URL: 'from postgres' })
  const others = Object.keys(variables).filter(name => !(name in Environment.properties))
  t.same(others.sort(), ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
})

t.test('settings of the chart are those of the service that it does not make itself', async t => {
  const made = [
    'EPHEMERA_IMAGES', 'EPHEMERA_WORK', 'DATABASE_URL', 'DATABASE_DIRECT_URL', 'REDIS_URL', 'S3_BUCKET', 'S3_ENDPOINT', 'S3_REGION', 'S3_PREFIX'
  ]
  const outsideOnly = [
    'EPHEMERA_HOST', 'EPHEMERA_PORT', 'EPHEMERA_AUTH', 'EPHEMERA_TOKEN', 'EPHEMERA_KUBECONFIG', 'EPHEMERA_CONTEXT', 'EPHEMERA_DATA_DIR'
  ]
  const schema = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8'))
  const rules: Record<string, object> = Object.fromEntries(Object.entries(Environment.properties).map(([name, property]) =>
    [name, Object.fromEntries(Object.entries(property).filter(([key]) => ['type', 'enum', 'minimum', 'maximum', 'minLength'].includes(key)))]))
  for (const name of [...made, ...outsideOnly]) {
    t.ok(name in rules, `${name} is a setting`)
    delete rules[name]
  }
  t.same(schema.properties.settings.properties, rules)
})

t.test('chart trusts further authorities where a ConfigMap names some', async t => {
  const pod = podOf(render({ ...leastValues, extraCa: { configMap: 'our-ca', key: 'root.pem' } }), 'ephemera')
  t.equal(valueOf(pod, 'NODE_EXTRA_CA_CERTS'), '/etc/ephemera/ca/root.pem')
  t.match(pod.containers[0]!.volumeMounts.at(-1), { name: 'extra-ca', mountPath: '/etc/ephemera/ca', readOnly: true })
  t.match(pod.volumes.at(-1), { name: 'extra-ca', configMap: { name: 'our-ca' } })
})

t.test('chart says in words what is missing, all at once', async t => {
  t.match(refusal({}), /Cannot install Ephemera: these values are missing\n- images\.toolbox: .*\n- database\.existingSecret: .*\n- redis\.existingSecret: .*\n- s3\.bucket: /)
  for (const name of ['images', 'database', 'redis', 's3'] as const) {
    const { [name]: left, ...rest } = leastValues
    t.match(refusal(rest), new RegExp(`missing\n- ${name}\\.`), `without ${Object.keys(left).join()}`)
  }
  t.match(refusal({ ...leastValues, serviceAccount: { create: false } }), /- serviceAccount\.name: /)
})

t.test('chart refuses values that it does not know, or that cannot be', async t => {
  t.equal(refusal(leastValues), '')
  const wrong: [object, RegExp][] = [
    [{ replicaCount: 2 }, /'replicaCount' not allowed/],
    [{ settings: { EPHEMERA_BUGDET: 3 } }, /'EPHEMERA_BUGDET' not allowed/],
    [{ settings: { EPHEMERA_BUDGET: 1000 } }, /EPHEMERA_BUDGET/],
    [{ settings: { EPHEMERA_TOKEN: '0123456789abcdef' } }, /'EPHEMERA_TOKEN' not allowed/],
    [{ database: { url: 'postgres://a:b@c/d' } }, /'url' not allowed/],
    [{ redis: { password: 'secret' } }, /'password' not allowed/],
    [{ s3: { accessKey: 'secret' } }, /'accessKey' not allowed/],
    [{ images: { toolbox: ['registry.example/toolbox:latest'] } }, /images\/toolbox\/0/],
    [{ image: { digest: 'latest' } }, /image\/digest/],
    [{ server: { replicas: 0 } }, /server\/replicas/],
    [{ rbac: { namespaces: ['Shop'] } }, /rbac\/namespaces\/0/]
  ]
  for (const [values, expected] of wrong) t.match(refusal({ ...leastValues, ...values }), expected, JSON.stringify(values))
})

t.test('chart names the image by digest where one is given', async t => {
  const imageOf = (image: object) => podOf(render({ ...leastValues, image }), 'ephemera').containers[0]!.image
  t.equal(imageOf({}), 'docker.io/ephemera/service:0.1.0')
  t.equal(imageOf({ tag: '2' }), 'docker.io/ephemera/service:2')
  const digest = `sha256:${'a'.repeat(64)}`
  t.equal(imageOf({ tag: '2', digest }), `docker.io/ephemera/service@${digest}`)
})

import t from 'tap'
import type { Job, JobRequest } from '#core/job.ts'
import type { Preflight } from '#core/preflight.ts'
import { kubectl, labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: { ...labEnvironment(), EPHEMERA_BUDGET: '2' } })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const strict = makeNamespace(t, { 'pod-security.kubernetes.io/enforce': 'baseline' })
const restricted = makeNamespace(t, { 'pod-security.kubernetes.io/enforce': 'restricted' })
const safe = {
  container: { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } },
  spec: { securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } } }
}

const lookup = (target: JobRequest['target']): JobRequest => ({ diagnostic: 'dns-lookup', target, params: { names: ['orders.shop'] } })
const capture = (target: JobRequest['target']): JobRequest => ({ diagnostic: 'packet-capture', target, params: { durationSeconds: 1 } })
const dryRun = async (request: JobRequest) => {
  const { status, body } = await service.call<Preflight>('POST', '/v1/jobs?dryRun=true', { body: request })
  t.equal(status, 200, JSON.stringify(body))
  return body
}
const refusal = async (request: JobRequest) => (await service.call('POST', '/v1/jobs', { body: request })).body

t.test('a pod is told whole before anything is touched, and what would be reused after', async t => {
  const pod = makePod(namespace, { container: { resources: { limits: { memory: '48Mi' }, requests: { memory: '16Mi' } } } })
  const before = await dryRun(lookup({ namespace, pod }))
  t.match(before, {
    matched: 1,
    rule: 'the named pod',
    pods: [{
      pod,
      profile: 'restricted',
      container: null,
      reused: false,
      sessionId: null,
      containers: [],
      budget: { used: 0, max: 2, left: 2 },
      refusedProfiles: [],
      memory: { podLimitBytes: 48 << 20, unread: null },
      warnings: [{ code: 'MEMORY_HEADROOM', message: /48 MiB/ }],
      error: null
    }]
  })
  const { nodeLeftBytes } = before.pods[0]!.memory
  t.ok(nodeLeftBytes! > 0, `${nodeLeftBytes} bytes are left on the node`)
  t.equal(readPod(namespace, pod).spec.ephemeralContainers, undefined)
  const { pods: { items: [measured] } }: Job = await service.launch(lookup({ namespace, pod }), { prefer: 'wait=50' })
  const { id, ephemeralContainer: name } = measured!.session!
  t.match((await dryRun(lookup({ namespace, pod }))).pods, [{
    // That it runs, the kubelet tells later than its first channel opens.
    reused: true, sessionId: id, container: name, containers: [{ name, exitReason: null }], budget: { used: 1, max: 2, left: 1 }
  }])
})

t.test('pods of a selector are chosen by a rule that is said, each with its own answer', async t => {
  const labels = { app: 'mixed' }
  const [well, refusing] = [makePod(namespace, { labels }), makePod(namespace, { labels, annotations: { 'ephemera.dev/diagnostics': 'deny' } })]
  makePod(namespace, { labels })
  const { matched, rule, pods } = await dryRun(lookup({ namespace, labelSelector: 'app=mixed', maxPods: 2 }))
  t.match({ matched, rule }, { matched: 3, rule: /^2 of 3 pods: ready ones first/ })
  t.equal(pods.length, 2)
  const all = await dryRun(lookup({ namespace, labelSelector: 'app=mixed', maxPods: 5 }))
  const of = (name: string) => all.pods.find(({ pod }) => pod === name)
  t.match(of(well), { error: null, profile: 'restricted' })
  t.match(of(refusing), { error: { code: 'EPH_OWNER_REFUSED' }, profile: null })
})

t.test('what refuses a launch is said with the same code by the dry run', async t => {
  const shared = makePod(namespace, { spec: { shareProcessNamespace: true } })
  t.match((await dryRun(lookup({ namespace, pod: shared }))).pods[0]?.warnings, [{ code: 'ISOLATION_SHARED' }])

  const lax = makePod(strict)
  const { pods: [captured] } = await dryRun(capture({ namespace: strict, pod: lax }))
  t.match(captured, { profile: 'defaultcaps', error: null, refusedProfiles: [{ profile: 'netraw', code: 'EPH_POD_SECURITY', message: /NET_RAW/ }] })

  const secure = makePod(restricted, safe)
  const request = capture({ namespace: restricted, pod: secure })
  t.match((await dryRun(request)).pods, [{ profile: null, error: { code: 'EPH_POD_SECURITY', message: /PodSecurity/ } }])
  t.match(await refusal(request), { code: 'EPH_POD_SECURITY' })
  t.match((await dryRun(lookup({ namespace: restricted, pod: secure }))).pods, [{ profile: 'restricted', error: null }])
})

t.test('a budget that is used up is said, with the containers that used it', async t => {
  const pod = makePod(namespace)
  const profiles = [lookup, capture].map(request => request({ namespace, pod }))
  for (const request of profiles) await service.launch(request, { prefer: 'wait=50' })
  const { pods: [full] } = await dryRun({ ...lookup({ namespace, pod }), image: 'toolbox-test' })
  t.match(full, { budget: { used: 2, max: 2, left: 0 }, error: { code: 'EPH_BUDGET_EXHAUSTED' } })
  t.equal(full?.containers.length, 2)
  t.match(await refusal({ ...lookup({ namespace, pod }), image: 'toolbox-test' }), { code: 'EPH_BUDGET_EXHAUSTED' })
  t.match((await dryRun(lookup({ namespace, pod }))).pods, [{ reused: true, error: null }], 'what lives can still be used')
  kubectl('delete', 'pod', '-n', namespace, pod, '--wait=false')
})

import t, { type Test } from 'tap'
import { images, kubectl, labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const good = { diagnostic: 'dns-lookup', target: { namespace, pod }, params: { names: ['web.shop'] } }

/** Sends a launch that must be refused: a problem with a code, and nothing new in the pod. */
async function refused (t: Test, body: unknown, status: number, code: string): Promise<Record<string, unknown>> {
  const answer = await service.call('POST', '/v1/jobs', { body })
  t.equal(answer.status, status, JSON.stringify(answer.body))
  t.match(answer.headers.get('content-type'), /^application\/problem\+json/)
  t.match(answer.body, { code, status, type: `/problems/${code}`, detail: String, retryable: /^(no|later|now)$/, effect: /^(none|unknown|done)$/ })
  return answer.body
}

t.test('what does not exist is named', async t => {
  await refused(t, { ...good, target: { namespace, pod: 'no-such-pod' } }, 422, 'EPH_TARGET_UNKNOWN')
  await refused(t, { ...good, target: { namespace: 'no-such-namespace', pod } }, 422, 'EPH_NAMESPACE_UNKNOWN')
  const container = await refused(t, { ...good, target: { namespace, pod, targetContainer: 'no-such' } }, 422, 'EPH_CONTAINER_UNKNOWN')
  t.match(container.detail, /"app"/, 'lists the containers there are')
  await refused(t, { ...good, diagnostic: 'no-such-diagnostic' }, 422, 'EPH_DIAGNOSTIC_UNKNOWN')
  await refused(t, { ...good, image: 'no-such-image' }, 422, 'EPH_IMAGE_UNKNOWN')
  await refused(t, { ...good, target: { namespace, service: 'no-such-service' } }, 422, 'EPH_TARGET_UNKNOWN')
  await refused(t, { ...good, target: { namespace, workload: { kind: 'Deployment', name: 'no-such' } } }, 422, 'EPH_TARGET_UNKNOWN')
  await refused(t, { ...good, target: { namespace, labelSelector: 'app=no-such' } }, 422, 'EPH_TARGET_EMPTY')
})

t.test('names that are no names never reach the cluster', async t => {
  for (const name of ['../x', 'a%2fb', 'web?x', 'a'.repeat(300), 'web\0', 'web/exec', 'Web', '-web', 'web.', 'web\r\nx', 'ｗeb', '..', '']) {
    await refused(t, { ...good, target: { namespace, pod: name } }, 400, 'EPH_INVALID_REQUEST')
    await refused(t, { ...good, target: { namespace: name, pod } }, 400, 'EPH_INVALID_REQUEST')
  }
})

t.test('unknown fields, wrong types and several targets are refused with a pointer', async t => {
  const unknown = await refused(t, { ...good, surprise: 1 }, 400, 'EPH_INVALID_REQUEST')
  t.match(unknown.errors, [{ pointer: '/surprise' }])
  await refused(t, { ...good, target: { namespace, pod, surprise: 1 } }, 400, 'EPH_INVALID_REQUEST')
  const typed = await refused(t, { ...good, timeoutSeconds: '30' }, 400, 'EPH_INVALID_REQUEST')
  t.match(typed.errors, [{ pointer: '/timeoutSeconds' }])
  await refused(t, { ...good, timeoutSeconds: 0 }, 400, 'EPH_INVALID_REQUEST')
  await refused(t, { ...good, timeoutSeconds: 3601 }, 400, 'EPH_INVALID_REQUEST')
  await refused(t, { ...good, target: { namespace, pod, service: 'web' } }, 400, 'EPH_INVALID_REQUEST')
  await refused(t, { ...good, target: { namespace } }, 400, 'EPH_INVALID_REQUEST')
  await refused(t, [], 400, 'EPH_INVALID_REQUEST')
  await refused(t, '{"diagnostic": ', 400, 'EPH_MALFORMED')
  await refused(t, { ...good, notify: ['x'] }, 422, 'EPH_NOT_SUPPORTED')
})

t.test('parameters are refused before they are anything', async t => {
  const values = [
    '-f/etc/passwd', '@10.0.0.1', '+short', 'a b', 'a\nb', 'a;id', '$(id)', '`id`', 'a|b', 'a&b', '\'', '"', '', 'a'.repeat(300), 'a\0b'
  ]
  for (const name of values) {
    const problem = await refused(t, { ...good, params: { names: [name] } }, 422, 'EPH_PARAMS_INVALID')
    t.match(problem.errors, [{ pointer: /^\/params\/names/ }], JSON.stringify(name))
  }
  await refused(t, { ...good, params: { names: [] } }, 422, 'EPH_PARAMS_INVALID')
  await refused(t, { ...good, params: { names: ['web'], surprise: true } }, 422, 'EPH_PARAMS_INVALID')
  for (const host of ['-w/tmp/x', '@1.2.3.4', 'a b', '10.0.0.1 or 1=1', 'web.shop', '10.0.0.256', '10.0.0.1\n']) {
    await refused(t, { diagnostic: 'packet-capture', target: { namespace, pod }, params: { filter: { host } } }, 422, 'EPH_PARAMS_INVALID')
  }
  const beyondBounds = [{ durationSeconds: 0 }, { durationSeconds: 1e9 }, { maxBytes: -1 }, { snapLength: 1 }, { filter: { port: 65536 } }]
  for (const params of beyondBounds) {
    await refused(t, { diagnostic: 'packet-capture', target: { namespace, pod }, params }, 422, 'EPH_PARAMS_INVALID')
  }
})

t.test('pods that cannot be looked into say why', async t => {
  const spec = { containers: [{ name: 'app', image: 'ephemera.invalid/none:1', imagePullPolicy: 'Never' }] }
  const pending = makePod(namespace, { spec, wait: false })
  await refused(t, { ...good, target: { namespace, pod: pending } }, 422, 'EPH_POD_NOT_RUNNING')
  const finished = makePod(namespace, { spec: { restartPolicy: 'Never' }, container: { args: ['-get=http://127.0.0.1:1/'] }, wait: false })
  kubectl('wait', '-n', namespace, '--for=jsonpath={.status.phase}=Failed', `pod/${finished}`, '--timeout=60s')
  await refused(t, { ...good, target: { namespace, pod: finished } }, 422, 'EPH_POD_NOT_RUNNING')
  const held = makePod(namespace, { spec: { terminationGracePeriodSeconds: 1 } })
  kubectl('patch', '-n', namespace, 'pod', held, '--type=merge', '-p', '{"metadata":{"finalizers":["ephemera.dev/test"]}}')
  t.teardown(() => { kubectl('patch', '-n', namespace, 'pod', held, '--type=merge', '-p', '{"metadata":{"finalizers":null}}') })
  kubectl('delete', '-n', namespace, 'pod', held, '--wait=false')
  await refused(t, { ...good, target: { namespace, pod: held } }, 422, 'EPH_POD_DELETING')
  const hostNetwork = makePod(namespace, {
    spec: { hostNetwork: true }, container: { args: ['-http=127.0.0.1:18080', '-tls=', '-echo='], ports: [] }
  })
  await refused(t, { ...good, target: { namespace, pod: hostNetwork } }, 422, 'EPH_HOST_NETWORK')
  const denied = makePod(namespace, { annotations: { 'ephemera.dev/diagnostics': 'deny' } })
  await refused(t, { ...good, target: { namespace, pod: denied } }, 422, 'EPH_OWNER_REFUSED')
})

t.test('a namespace whose PodSecurity refuses says so before anything is tried', async t => {
  const restricted = makeNamespace(t, { 'pod-security.kubernetes.io/enforce': 'restricted' })
  const securityContext = {
    runAsNonRoot: true,
    runAsUser: 1000,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' }
  }
  const caged = makePod(restricted, { container: { securityContext } })
  await refused(t, { diagnostic: 'packet-capture', target: { namespace: restricted, pod: caged }, params: {} }, 422, 'EPH_POD_SECURITY')
  t.equal(readPod(restricted, caged).spec.ephemeralContainers, undefined)
})

t.test('what only injecting can show fails the job with its code', async t => {
  const missing = await startService({
    env: { ...labEnvironment(), EPHEMERA_IMAGES: `toolbox=ephemera.invalid/none@sha256:${'0'.repeat(64)},bare=${images()['sample-app']}` }
  })
  t.teardown(() => missing.stop())
  const victim = makePod(namespace)
  const pull = await missing.launch({ ...good, target: { namespace, pod: victim } }, { prefer: 'wait=50' })
  t.match(pull, { state: 'failed', pods: { items: [{ error: { code: 'EPH_IMAGE_PULL' } }] } })
  const bare = await missing.launch({ ...good, image: 'bare', target: { namespace, pod: victim } }, { prefer: 'wait=50' })
  t.match(bare, { state: 'failed', pods: { items: [{ error: { code: 'EPH_IMAGE_WITHOUT_RUNNER' } }] } })
})

t.test('nobody without a valid token is answered, and invalid tokens are counted', async t => {
  for (const authorization of ['', 'Bearer', 'Bearer wrong', 'Basic eDp5', `Bearer ${service.token}x`]) {
    const response = await fetch(`${service.url}/v1/jobs`, { headers: authorization ? { authorization } : {} })
    t.equal(response.status, 401, authorization)
    t.match(await response.json(), { code: 'EPH_UNAUTHENTICATED' })
    t.match(response.headers.get('www-authenticate'), /^Bearer/)
  }
})

t.test('nothing in the cluster was touched by what was refused', async t => {
  t.equal(readPod(namespace, pod).spec.ephemeralContainers, undefined)
})

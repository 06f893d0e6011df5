import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import { apply, kubectl, labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const elsewhere = makeNamespace(t, { tier: 'front' })
const ports = [{ name: 'web', containerPort: 8080 }]
const server = makePod(namespace, { labels: { app: 'server' }, container: { ports } })
const { podIP } = readPod(namespace, server).status
const near = [namespace, makePod(namespace, { labels: { app: 'client' } })] as const
const far = [elsewhere, makePod(elsewhere)] as const
apply({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name: 'server' }, spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080 }] } })
const name = `server.${namespace}.svc.cluster.local.`

/** Connects to the server at once by its address and by its Service, and answers what each found. */
async function connect ([namespace, pod]: readonly [string, string], port = 8080, expect = 'open'): Promise<string[]> {
  return Promise.all([['pod', podIP, port], ['Service', name, 80]].map(async ([way, host, port]) => {
    const { findings, verdict } = await service.launch({
      diagnostic: 'tcp-connect', target: { namespace, pod }, params: { destinations: [{ host, port }], expect, waitSeconds: 1 }
    }, { prefer: 'wait=50' })
    return `${way}: ${findings[0]?.code ?? verdict}`
  }))
}

/** Waits until both clients find this: a policy takes a moment. */
async function finds (t: Test, expected: { near: string[], far: string[] }, port = 8080): Promise<void> {
  let found: typeof expected | undefined
  await until(async () => {
    const [fromNear, fromFar] = await Promise.all([connect(near, port), connect(far, port)])
    found = { near: fromNear, far: fromFar }
    return isDeepStrictEqual(found, expected)
  }, 10).catch(() => {}) // what was found instead, the comparison tells
  t.same(found, expected)
}

function policy (policyName: string, spec: Record<string, unknown>): void {
  apply({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name: policyName }, spec })
}
const noMore = (policyName: string) => kubectl('delete', 'networkpolicy', '-n', namespace, policyName)
const guarded = { podSelector: { matchLabels: { app: 'server' } }, policyTypes: ['Ingress'] }
const fenced = { podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'] }
const passes = ['pod: pass', 'Service: pass']
const dropped = ['pod: TCP_TIMEOUT', 'Service: TCP_TIMEOUT']
const refused = ['pod: TCP_REFUSED', 'Service: TCP_REFUSED']
const otherPort = ['pod: TCP_TIMEOUT', 'Service: pass']

t.test('without a policy everything is open', t => finds(t, { near: passes, far: passes }))

t.test('an ingress policy drops what it does not allow, and never what comes from the node', async t => {
  policy('guard', guarded)
  await finds(t, { near: dropped, far: dropped })
  t.same(await connect(near, 8080, 'closed'), passes)
  t.equal((await fetch(`http://${podIP}:8080/`)).status, 200)
})

t.test('peers are chosen by pod and by namespace, ports by name and range', async t => {
  policy('guard', { ...guarded, ingress: [{ from: [{ podSelector: fenced.podSelector }], ports: [{ port: 'web' }] }] })
  await finds(t, { near: passes, far: dropped })
  policy('guard', { ...guarded, ingress: [{ from: [{ namespaceSelector: { matchLabels: { tier: 'front' } } }], ports: [{ port: 8000, endPort: 8100 }] }] })
  await finds(t, { near: dropped, far: passes })
  await finds(t, { near: dropped, far: otherPort }, 8443)
})

t.test('a block of addresses has exceptions', async t => {
  const { podIP: excepted } = readPod(...near).status
  policy('guard', { ...guarded, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: [`${excepted}/32`] } }] }] })
  await finds(t, { near: dropped, far: passes })
})

t.test('a namespace may ask for what its policies deny to be refused', async t => {
  kubectl('annotate', 'namespace', namespace, 'lab.ephemera.dev/denied-traffic=reject')
  await finds(t, { near: refused, far: passes })
  t.same(await connect(near, 8080, 'closed'), passes)
})

t.test('all is open again without the policy', async t => {
  noMore('guard')
  await finds(t, { near: passes, far: passes })
})

t.test('an egress policy denies what leaves the pod, and answers still come', async t => {
  policy('fence', fenced)
  await finds(t, { near: refused, far: passes })
  kubectl('annotate', 'namespace', namespace, 'lab.ephemera.dev/denied-traffic-')
  await finds(t, { near: dropped, far: passes })
  policy('fence', { ...fenced, egress: [{ ports: [{ port: 'web' }] }] })
  await finds(t, { near: passes, far: passes })
  await finds(t, { near: otherPort, far: passes }, 8443)
  noMore('fence')
  await finds(t, { near: passes, far: passes }, 8443)
})

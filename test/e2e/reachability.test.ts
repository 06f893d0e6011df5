import t from 'tap'
import type { Job } from '#core/job.ts'
import { inNetworkOf } from '../support/container-processes.ts'
import { apply, kubectl, labEnvironment, makeCaller, makeNamespace, makePod, makeService, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const peer = makePod(namespace, { labels: { app: 'good', set: 'half' } })
makePod(namespace, { labels: { app: 'bad', set: 'half' }, container: { args: ['-http=:8181'] } })
const { podIP } = readPod(namespace, peer).status
const good = makeService(namespace, { name: 'good', selector: { app: 'good' }, endpoints: 1 })

const ask = (destination: Record<string, unknown>, target = { namespace, pod }): Promise<Job> =>
  service.launch({ diagnostic: 'reachability', target, params: { destination, waitSeconds: 1 } }, { prefer: 'wait=50' })
const to = (name: string, port = 80) => ({ service: { namespace, name }, port })
const stepsOf = (job: Job) => (job.pods.items[0]?.report?.steps as { diagnostic: string }[]).map(({ diagnostic }) => diagnostic)

/** The cause is in the report, a finding of the same code makes the verdict, and its evidence is a run of that step. */
async function failsBy (layer: string, code: string, destination: Record<string, unknown>): Promise<Job> {
  const job = await ask(destination)
  t.match(job, { state: 'succeeded', verdict: 'fail' }, code)
  const [measured] = job.pods.items
  t.match(measured?.report, { cause: { layer, code } }, code)
  const finding = job.findings.find(finding => finding.code === code)
  t.match(finding, { severity: 'error', remedy: /./ }, code)
  t.ok(stepsOf(job).includes(finding!.diagnostic), code)
  for (const { runId } of finding!.evidence) t.equal(measured!.runs.find(({ id }) => id === runId)?.diagnostic, finding!.diagnostic, code)
  return job
}

t.test('none, where all is well: by name, by Service, by pod and by address; from a pod without a shell too', async t => {
  const host = { host: `${good}.${namespace}`, port: 80 }
  for (const [destination, steps] of [
    [host, ['dns-lookup', 'service-check', 'tcp-connect']], [to(good), ['service-check', 'tcp-connect']],
    [{ pod: { namespace, name: peer }, port: 8080 }, ['tcp-connect']], [{ host: podIP, port: 8080 }, ['tcp-connect']]
  ] as const) {
    const job = await ask(destination)
    t.match(job, { state: 'succeeded', verdict: 'pass' })
    t.match(job.pods.items[0]?.report, { cause: { layer: 'none', code: null }, policies: null })
    t.same(stepsOf(job), steps)
  }
  const distroless = await ask(host, { namespace: 'distroless', pod: makePod('distroless') })
  t.match(distroless, { verdict: 'pass' })
  t.match(distroless.pods.items[0]?.report, { cause: { layer: 'none' } })
})

t.test('a name that does not exist', async () => {
  await failsBy('dns', 'DNS_NXDOMAIN', { host: 'nope.shop', port: 80 })
})

t.test('what is wrong with a Service', async t => {
  const none = makeService(namespace, { selector: { app: 'nobody' }, endpoints: 0 })
  const wrong = makeService(namespace, { selector: { app: 'good' }, spec: { ports: [{ port: 80, targetPort: 9999 }] }, endpoints: 1 })
  const half = makeService(namespace, { selector: { set: 'half' }, endpoints: 2 })
  const waiting = makePod(namespace, { labels: { app: 'waiting' }, container: { readinessProbe: { httpGet: { path: '/', port: 1 }, periodSeconds: 1 } }, wait: false })
  kubectl('wait', '-n', namespace, '--for=jsonpath={.status.phase}=Running', `pod/${waiting}`, '--timeout=60s')
  const unready = makeService(namespace, { selector: { app: 'waiting' }, endpoints: 0 })
  await failsBy('service', 'SERVICE_SELECTOR_MATCHES_NOTHING', to(none))
  await failsBy('service', 'SERVICE_NO_ENDPOINTS', to(unready))
  await failsBy('service', 'SERVICE_PORT_MISMATCH', to(wrong))
  await failsBy('service', 'SERVICE_ENDPOINT_FAILED', to(half))
  const byName = await failsBy('service', 'SERVICE_PORT_UNKNOWN', { host: `${good}.${namespace}.svc.cluster.local.`, port: 81 })
  t.same(stepsOf(byName), ['dns-lookup', 'service-check'])
})

t.test('refused, and dropped, with the policies that select either pod', async t => {
  const policy = (name: string, podSelector: object) => apply({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name },
    spec: { podSelector, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] }
  })
  policy('both', {})
  policy('peer', { matchLabels: { app: 'good' } })
  policy('nobody', { matchLabels: { app: 'nobody' } })
  await failsBy('port', 'TCP_REFUSED', { pod: { namespace, name: peer }, port: 7000 })
  inNetworkOf(namespace, pod, ['iptables', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '7001', '-j', 'DROP'])
  const dropped = await failsBy('path', 'TCP_TIMEOUT', { pod: { namespace, name: peer }, port: 7001 })
  const policies = dropped.findings.find(({ code }) => code === 'TCP_TIMEOUT')?.data.policies as { selecting: { name: string, direction: string, pod: string }[] }
  t.same(policies.selecting.map(({ name, direction, pod }) => `${name} ${direction} ${pod}`).sort(), [`both egress ${pod}`, `both ingress ${peer}`, `peer ingress ${peer}`])

  inNetworkOf(namespace, pod, ['iptables', '-A', 'OUTPUT', '-p', 'tcp', '-d', podIP, '--dport', '8080', '-j', 'DROP'])
  const clusterIP = kubectl('get', 'service', '-n', namespace, good, '-o', 'jsonpath={.spec.clusterIP}')
  inNetworkOf(namespace, pod, ['iptables', '-A', 'OUTPUT', '-p', 'tcp', '-d', clusterIP, '-j', 'DROP'])
  const behind = await failsBy('path', 'TCP_TIMEOUT', to(good))
  t.same(behind.findings.map(({ code }) => code), ['SERVICE_ENDPOINTS_FAILED', 'TCP_TIMEOUT'])
  t.match(behind.pods.items[0]?.report, { policies: { peers: [{ namespace, name: peer }] } })
})

t.test('REST and GraphQL give the same report', async t => {
  const destination = { host: 'nope.shop', port: 80 }
  const rest = await ask(destination)
  const { launchJob } = await service.graphql<{ launchJob: { id: string } }>('mutation ($input: LaunchJobInput!) { launchJob(input: $input) { id } }', {
    input: { diagnostic: { reachability: { destination, waitSeconds: 1 } }, target: { namespace, pod } }
  })
  await service.final(launchJob.id)
  const { job } = await service.graphql<{ job: { verdict: string, pods: { nodes: { reportJson: Record<string, unknown>, report: unknown }[] } } }>(`query ($id: ID!) {
    job(id: $id) { verdict pods { nodes { reportJson report { ... on ReachabilityReport {
      cause { layer code } steps { diagnostic verdict firstRun runCount findings { code severity } }
    } } } } }
  }`, { id: launchJob.id })
  const [node] = job.pods.nodes
  // Times differ from one measurement to the next, and nothing else.
  const timeless = (report: unknown) => JSON.parse(JSON.stringify(report, (key, value) => /Ms$|ttlSeconds/.test(key) ? 0 : value))
  t.equal(job.verdict, rest.verdict)
  t.strictSame(timeless(node?.reportJson), timeless(rest.pods.items[0]?.report))
  t.match(node?.report, { cause: { layer: 'dns', code: 'DNS_NXDOMAIN' }, steps: [{ diagnostic: 'dns-lookup', verdict: 'fail', runCount: 1, findings: [{ code: 'DNS_NXDOMAIN' }] }] })
})

t.test('a caller without rights on Services asks by name, and gets what a client sees', async t => {
  const env = { ...labEnvironment(), EPHEMERA_AUTH: 'kubernetes', EPHEMERA_HOST: '127.0.0.1' }
  const strict = await startService({ env, token: makeCaller(namespace, ['create', 'get', 'list']) })
  t.teardown(() => strict.stop())
  const target = { namespace, pod }
  const refused = await strict.call('POST', '/v1/jobs', { body: { diagnostic: 'reachability', target, params: { destination: to(good) } } })
  t.match(refused, { status: 403, body: { code: 'EPH_FORBIDDEN' } })
  const { id } = await strict.launch({ diagnostic: 'reachability', target, params: { destination: { host: podIP, port: 7000 }, waitSeconds: 1 } })
  const job = await strict.final(id)
  t.match(job.pods.items[0]?.report, { cause: { layer: 'port', code: 'TCP_REFUSED' }, policies: { selecting: [], unread: [namespace], peers: [] } })
})

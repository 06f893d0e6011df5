import t from 'tap'
import type { Job } from '#core/job.ts'
import { inNetworkOf } from '../support/container-processes.ts'
import { startDnsServer, type AnswerDns } from '../support/dns-server.ts'
import { apply, kubectl, labEnvironment, makeNamespace, makePod, makeService, nodeAddress } from '../support/lab.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)

const ask = (destination: Record<string, unknown>, target = pod): Promise<Job> =>
  service.launch({ diagnostic: 'reachability', target: { namespace, pod: target }, params: { destination, waitSeconds: 1 } }, { prefer: 'wait=50' })
const causeOf = ({ pods }: Job) => pods.items[0]?.report?.cause

t.test('a nameserver that is wrong, one that fails, refuses, or cuts its answer short', async t => {
  const wrong = makePod(namespace, { spec: { dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.1'] } } })
  const timeout = await ask({ host: 'orders.shop.svc.cluster.local.', port: 8080 }, wrong)
  t.match(timeout, { verdict: 'fail', findings: [{ code: 'DNS_TIMEOUT', diagnostic: 'dns-lookup' }] })
  t.same(causeOf(timeout), { layer: 'dns', code: 'DNS_TIMEOUT' })

  /** The pod's questions end at a server of this test. */
  async function answeredBy (answer: AnswerDns, options = {}): Promise<Job> {
    const { port } = await startDnsServer(t, answer, options)
    const client = makePod(namespace)
    for (const protocol of ['udp', 'tcp']) {
      inNetworkOf(namespace, client, ['iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', protocol, '--dport', '53', '-j', 'DNAT', '--to', `${nodeAddress}:${port}`])
    }
    return ask({ host: 'db.example.test.', port: 1 }, client)
  }
  t.same(causeOf(await answeredBy(() => ({ rcode: 'SERVFAIL' }))), { layer: 'dns', code: 'DNS_SERVFAIL' })
  t.same(causeOf(await answeredBy(() => ({ rcode: 'REFUSED' }))), { layer: 'dns', code: 'DNS_REFUSED' })
  t.same(causeOf(await answeredBy((_, transport) => transport === 'udp' ? { truncated: true } : null, { tcp: false })), { layer: 'dns', code: 'DNS_TCP_UNANSWERED' })
  const answered = await answeredBy(({ name }) => ({ answers: [{ type: 'A', name, ttl: 7, data: nodeAddress }] }))
  t.same(causeOf(answered), { layer: 'port', code: 'TCP_REFUSED' }, 'the twin is answered, and goes on to a port where nothing listens')
})

t.test('a name that answers only through the search list is no cause', async t => {
  const job = await ask({ host: 'orders.shop', port: 8080 })
  t.match(job, { verdict: 'pass', findings: [{ code: 'DNS_SEARCH_LIST' }] })
  t.same(causeOf(job), { layer: 'none', code: null })
})

t.test('no way to the address', async t => {
  t.same(causeOf(await ask({ host: '2001:db8::1', port: 80 })), { layer: 'path', code: 'TCP_UNREACHABLE' })
})

t.test('a policy that drops, and one that rejects, stand beside the cause', async t => {
  const guarded = makeNamespace(t)
  const server = makePod(guarded, { labels: { app: 'server' } })
  const name = makeService(guarded, { selector: { app: 'server' }, endpoints: 1 })
  const destinations = [{ pod: { namespace: guarded, name: server }, port: 8080 }, { service: { namespace: guarded, name }, port: 80 }]
  for (const destination of destinations) t.match(await ask(destination), { verdict: 'pass', findings: [] })

  apply({
    apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace: guarded, name: 'deny' }, spec: { podSelector: {}, policyTypes: ['Ingress'] }
  })
  const selecting = [{ namespace: guarded, name: 'deny', direction: 'ingress', pod: server }]

  /** Waits until the policy is enforced, which takes a moment. */
  async function endsBy (layer: string, code: string): Promise<void> {
    for (const destination of destinations) {
      let job: Job | undefined
      await until(async () => { job = await ask(destination); return job.findings.some(finding => finding.code === code) }, 20)
      t.same(causeOf(job!), { layer, code })
      t.match(job!.findings.find(finding => finding.code === code), { severity: 'error', diagnostic: 'tcp-connect', data: { policies: { selecting, unread: [] } } })
    }
  }
  await endsBy('path', 'TCP_TIMEOUT')
  kubectl('annotate', 'namespace', guarded, 'lab.ephemera.dev/denied-traffic=reject')
  await endsBy('port', 'TCP_REFUSED')
})

import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Job, JobRequest } from '#core/job.ts'
import { inNetworkOf } from '../support/container-processes.ts'
import { apply, images, kubectl, labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const port = 8080
const blackhole = (pod: string) => inNetworkOf(namespace, pod, ['iptables', '-A', 'OUTPUT', '-p', 'tcp', '--dport', `${port}`, '-j', 'DROP'])
const connect = (target: Omit<JobRequest['target'], 'namespace'>, waitSeconds: number): JobRequest =>
  ({ diagnostic: 'tcp-connect', target: { namespace, maxPods: 5, ...target }, params: { destinations: [{ host: 'orders.shop', port }], waitSeconds } })
const disagreementOf = ({ findings }: Job) => findings.find(({ code }) => code === 'PODS_DISAGREE')

apply({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { namespace, name: 'web' },
  spec: {
    replicas: 5,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { automountServiceAccountToken: false, terminationGracePeriodSeconds: 1, containers: [{ name: 'app', image: images()['sample-app'] }] }
    }
  }
})
kubectl('rollout', 'status', '-n', namespace, 'deployment/web', '--timeout=120s')
const pods = kubectl('get', 'pods', '-n', namespace, '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}').split(' ')
const target: Omit<JobRequest['target'], 'namespace'> = { workload: { kind: 'Deployment', name: 'web' } }

t.test('five pods that agree are counted, and compared without a finding', async t => {
  const job = await service.launch(connect(target, 2), { prefer: 'wait=50' })
  t.match(job, { state: 'succeeded', verdict: 'pass', podCounts: { matched: 5, selected: 5, pass: 5, fail: 0, notMeasured: 0 } })
  t.strictSame(job.findings, [])
})

t.test('the one of five whose path is a blackhole disagrees; what the others found is there while it still waits', async t => {
  const [odd] = pods
  blackhole(odd!)
  const { id } = await service.launch(connect(target, 10))
  const read = async () => (await service.call<Job>('GET', `/v1/jobs/${id}`)).body
  let job = await read()
  for (let tries = 0; tries < 80 && job.podCounts.pass < 4; tries++) {
    await delay(100)
    job = await read()
  }
  t.match(job, { state: 'running', verdict: null, podCounts: { pass: 4, fail: 0, notMeasured: 1 } })
  for (const { pod, verdict, report } of job.pods.items) {
    if (pod === odd) t.match({ verdict, report }, { verdict: null, report: null })
    else t.match({ verdict, report }, { verdict: 'pass', report: { connections: [{ attempts: [{ outcome: 'open' }] }] } })
  }
  const ended = await service.final(id)
  t.match(ended, { state: 'succeeded', verdict: 'fail', podCounts: { matched: 5, selected: 5, pass: 4, fail: 1, notMeasured: 0 } })
  t.strictSame(ended.pods.items.filter(({ verdict }) => verdict === 'fail').map(({ pod }) => pod), [odd])
  t.match(disagreementOf(ended), { severity: 'info', data: { by: 'none', value: null, failing: 1, of: 5 }, pods: [odd], count: 1 })
  t.ok(ended.findings.some(({ code, pods }) => code === 'TCP_TIMEOUT' && pods[0] === odd))
  const { body } = await service.call<{ items: Job[] }>('GET', `/v1/jobs?namespace=${namespace}&finding=PODS_DISAGREE`)
  t.strictSame(body.items.map(item => item.id), [id])
})

t.test('pods of one revision that fail together are told by it', async t => {
  const revisions = ['old', 'old', 'new', 'new']
  const made = revisions.map(revision => makePod(namespace, { labels: { app: 'split', 'controller-revision-hash': revision } }))
  for (const pod of made.slice(2)) blackhole(pod)
  const job = await service.launch(connect({ labelSelector: 'app=split' }, 2), { prefer: 'wait=50' })
  t.match(job, { verdict: 'fail', podCounts: { pass: 2, fail: 2 } })
  t.match(disagreementOf(job), { data: { by: 'revision', value: 'new', failing: 2, of: 4 }, message: '2 of 4 pods fail; they share revision new' })
  t.strictSame(disagreementOf(job)!.pods.toSorted(), made.slice(2).sort())
})

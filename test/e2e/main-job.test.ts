import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import http from 'node:http'
import t from 'tap'
import type { Job } from '#core/job.ts'
import { labEnvironment, makeNamespace, makePod, readPod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const target = { namespace, pod }

const sendRequests = async (address: string, count: number) => {
  // A connection each: as many handshakes as requests.
  const agent = new http.Agent({ keepAlive: false })
  for (let sent = 0; sent < count; sent++) {
    await new Promise<void>((resolve, reject) => {
      http.get({ host: address, port: 8080, path: '/healthz', agent }, response => response.resume().on('end', resolve)).on('error', reject)
    })
  }
}

t.test('dns-lookup resolves a name in a live pod and is found again in history', async t => {
  const accepted = await service.call<Job>('POST', '/v1/jobs', {
    body: { diagnostic: 'dns-lookup', target, params: { names: ['orders.shop.svc.cluster.local'] }, reason: 'INC-1 first', labels: { alert: 'test' } }
  })
  t.equal(accepted.status, 202)
  t.equal(accepted.headers.get('location'), `/v1/jobs/${accepted.body.id}`)
  const job = await service.final(accepted.body.id)
  t.match(job, { state: 'succeeded', verdict: 'pass', error: null, reason: 'INC-1 first' })
  t.match(job.podCounts, { selected: 1, pass: 1 })
  const [measured] = job.pods.items
  t.match(measured, { pod, state: 'succeeded', session: { profile: 'restricted', reused: false, sharesProcesses: false } })
  const names = readPod(namespace, pod).spec.ephemeralContainers?.map(({ name }) => name)
  t.same(names, [measured!.session!.ephemeralContainer], 'the spec of the pod lists the container')
  t.match(measured!.session!.ephemeralContainer, /^ephemera-[0-9a-f]{32}$/)
  const [run] = measured!.runs
  t.match(run, { exitCode: 0, completeness: { state: 'complete', reason: null } })
  const { body: text } = await service.call<string>('GET', `/v1/runs/${run!.id}/output?stream=stdout`)
  t.match(text, /orders\.shop\.svc\.cluster\.local/)
  const { body: list } = await service.call<{ items: Job[] }>('GET', `/v1/jobs?namespace=${namespace}&labelSelector=alert%3Dtest`)
  t.same(list.items.map(({ id }) => id), [job.id])
})

t.test('the second job on a pod reuses the session, one of another profile does not', async t => {
  const first = await service.launch({ diagnostic: 'dns-lookup', target, params: { names: ['web.shop'] } }, { prefer: 'wait=30' })
  const capture = await service.launch({ diagnostic: 'packet-capture', target, params: { durationSeconds: 1 } }, { prefer: 'wait=30' })
  t.equal(first.pods.items[0]!.session!.reused, true)
  t.equal(capture.pods.items[0]!.session!.reused, false)
  t.equal(capture.pods.items[0]!.session!.profile, 'netraw')
  t.equal(readPod(namespace, pod).spec.ephemeralContainers?.length, 2)
})

t.test('a capture holds every handshake that followed "listening", and both ends agree', async t => {
  const { podIP } = readPod(namespace, pod).status
  const job = await service.launch({
    diagnostic: 'packet-capture', target, params: { durationSeconds: 60, filter: { protocol: 'tcp', port: 8080 } }
  })
  await service.events(job.id, event => event.type === 'run' && event.data.phase === 'listening')
  await sendRequests(podIP, 200)
  const finish = await service.call('POST', `/v1/jobs/${job.id}/finish`)
  t.equal(finish.status, 200)
  const done = await service.final(job.id)
  t.match(done, { state: 'succeeded', verdict: 'pass' })
  const measured = done.pods.items[0]!
  const report = measured.report as { packets: number, droppedByKernel: number }
  t.equal(report.droppedByKernel, 0)

  const [artifact] = measured.runs[0]!.artifacts
  const pcap = await service.bytes(`/v1/artifacts/${artifact!.id}/content`)
  t.equal(pcap.length, artifact!.sizeBytes)
  t.equal(createHash('sha256').update(pcap).digest('hex'), artifact!.sha256)
  const packets = (...filter: string[]) => execFileSync('tcpdump', ['-n', '-r', '-', ...filter], { input: pcap, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] })
    .trim().split('\n').filter(Boolean).length
  t.equal(packets('tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn and dst port 8080'), 200)
  t.equal(packets(), report.packets, 'tcpdump reads as many packets as were reported')
  t.same(measured.runs[0]!.completeness, { state: 'complete', reason: null })
})

t.test('events are numbered, resume after Last-Event-ID and close after end', async t => {
  const job = await service.launch({ diagnostic: 'dns-lookup', target, params: { names: ['web.shop'] } }, { prefer: 'wait=30' })
  const events = await service.events(job.id)
  t.equal(events.at(-1)?.type, 'end')
  t.same(events.map(({ id }) => id), events.map((_, index) => events[0]!.id + index))
  const response = await fetch(`${service.url}/v1/jobs/${job.id}/events`, {
    headers: { authorization: `Bearer ${service.token}`, 'last-event-id': `${events.at(-1)!.id}` }
  })
  t.equal(response.status, 204)
})

t.test('REST and GraphQL tell the same of a job', async t => {
  const job = await service.launch({ diagnostic: 'dns-lookup', target, params: { names: ['web.shop'] } }, { prefer: 'wait=30' })
  const { body } = await service.call<{ data: { job: Record<string, unknown> } }>('POST', '/graphql', {
    body: { query: `{ job(id: "${job.id}") { id state verdict diagnostic pods { nodes { pod state reportJson } } } }` }
  })
  t.same(body.data.job, {
    id: job.id,
    state: job.state,
    verdict: job.verdict,
    diagnostic: 'dns-lookup',
    pods: { nodes: [{ pod, state: 'succeeded', reportJson: job.pods.items[0]!.report }] }
  })
})

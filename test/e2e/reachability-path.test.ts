import t from 'tap'
import type { Job } from '#core/job.ts'
import { labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { makeRouters, withRule } from '../support/routers.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)
const { first, second, end, nobody, listen } = await makeRouters(t)
const port = 8080
await listen(port)

const ask = (destination: Record<string, unknown>, rest: Record<string, unknown> = {}): Promise<Job> =>
  service.launch({ diagnostic: 'reachability', target: { namespace, pod }, params: { destination, waitSeconds: 1, ...rest } }, { prefer: 'wait=55' })
const askEnd = () => ask({ host: end.address, port }, { tracePath: true })
const causeOf = (job: Job) => job.pods.items[0]?.report?.cause
const codesOf = ({ findings }: Job) => findings.map(({ code }) => code)

t.test('none, where the path is whole', async t => {
  const job = await askEnd()
  t.match(job, { state: 'succeeded', verdict: 'pass', findings: [] })
  t.strictSame(causeOf(job), { layer: 'none', code: null })
})

t.test('a path that ends: the connect times out, and the trace says behind which hop', async t => {
  const job = await withRule(second, ['FORWARD', '-d', end.address, '-j', 'DROP'], () => ask({ host: end.address, port }))
  t.strictSame(causeOf(job), { layer: 'path', code: 'TCP_TIMEOUT' })
  t.same(codesOf(job), ['TCP_TIMEOUT', 'TRACE_PATH_ENDS'])
  t.match(job.findings[1], { diagnostic: 'path-trace', data: { hop: 3, ips: [second.address] } })
})

t.test('no route, as a router says', async t => {
  second.run('ip', 'route', 'add', 'unreachable', `${nobody}/32`)
  const job = await ask({ host: nobody, port })
  second.run('ip', 'route', 'del', 'unreachable', `${nobody}/32`)
  t.match(job, { verdict: 'fail', findings: [{ code: 'TCP_UNREACHABLE' }] })
  t.strictSame(causeOf(job), { layer: 'path', code: 'TCP_UNREACHABLE' })
})

t.test('loss that begins at a hop, of packets that a connect does not send', async t => {
  // Connects get through at once: what is lost is told by the trace.
  for (const protocol of [['-p', 'udp'], ['-p', 'icmp', '--icmp-type', 'echo-request']]) {
    const some = ['-m', 'statistic', '--mode', 'nth', '--every', '2', '--packet', '1', '-j', 'DROP']
    first.run('iptables', '-A', 'FORWARD', '-d', end.address, ...protocol, ...some)
  }
  const job = await askEnd()
  first.run('iptables', '-F', 'FORWARD')
  t.match(job, { verdict: 'warn', findings: [{ code: 'TRACE_LOSS', diagnostic: 'path-trace', data: { hop: 3 } }] })
  t.strictSame(causeOf(job), { layer: 'path', code: 'TRACE_LOSS' })
})

t.test('a smaller MTU, told and hidden', async t => {
  const setMtu = (bytes: number) => { for (const router of [second, end]) router.run('ip', 'link', 'set', router.device, 'mtu', `${bytes}`) }
  setMtu(1400)
  t.strictSame(causeOf(await askEnd()), { layer: 'path', code: 'TRACE_MTU_REDUCED' })
  const hidden = ['OUTPUT', '-p', 'icmp', '--icmp-type', 'fragmentation-needed', '-j', 'DROP']
  const vanished = await withRule(second, hidden, askEnd)
  setMtu(1500)
  t.match(vanished, { verdict: 'fail' })
  t.strictSame(causeOf(vanished), { layer: 'path', code: 'TRACE_MTU_BLACK_HOLE' })
})

import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import { profilesOf } from '#core/diagnostic.ts'
import pathTrace from '../../src/diagnostics/path-trace.ts'
import { measure } from '../support/measure.ts'
import { examplePod, exampleService } from '../support/recorded-probe.ts'
import { recordedText } from '../support/recorded.ts'

const traced = (recording: string) => ({ stdout: recordedText(`traceroute-${recording}.txt`) })
const failed = (recording: string) => ({ stderr: recordedText(`traceroute-${recording}.stderr.txt`), exitCode: 1 })
const pinged = (recording: string) => ({ stdout: recordedText(`ping-${recording}.txt`) })
const dig = (recording: string) => ({ stdout: recordedText(`dig-${recording}.txt`) })
const end = '198.51.100.138'
const nobody = '198.51.100.142'
const to = (host: string, rest = {}) => ({ destination: { host }, measureMtu: false, ...rest })
const times = <T>(count: number, one: T): T[] => Array<T>(count).fill(one)
const service = { namespace: 'shop', name: 'orders' }

t.test('a whole path passes: traced thrice, once its length is known no further and slowly, then with the largest packets', async t => {
  const recordings = [traced('udp'), traced('again'), traced('again'), traced('mtu-device'), traced('mtu-whole')]
  const { verdict, codes, argvs, report } = await measure(pathTrace, { destination: { host: end } }, recordings, { names: { '10.244.0.1': { node: 'node-1' } } })
  t.match({ verdict, codes }, { verdict: 'pass', codes: [] })
  const common = ['traceroute', '-n', '-q', '1', '-f', '1']
  t.strictSame(argvs, [
    [...common, '-m', '30', '-w', '2,100,100', '-z', '50', end],
    [...common, '-m', '4', '-w', '2,100,100', '-z', '334', end],
    [...common, '-m', '4', '-w', '2,100,100', '-z', '334', end],
    ['traceroute', '-n', '-F', '-q', '1', '-f', '4', '-m', '4', '-w', '2,100,100', '-z', '20', end, '65000'],
    ['traceroute', '-n', '-F', '-q', '1', '-f', '4', '-m', '4', '-w', '2,100,100', '-z', '20', end, '1500']
  ])
  t.match(report, {
    host: end,
    traced: { ip: end },
    reachedHop: 4,
    samples: [{ path: ['10.244.0.1', '198.51.100.130', '198.51.100.134', end], run: 0 }, { run: 1 }, { run: 2 }],
    hops: [{ hop: 1, sent: 3, answered: 3 }, {}, {}, { ips: [end] }],
    addresses: [{ ip: '10.244.0.1', node: 'node-1' }, {}, {}, {}],
    check: null,
    mtu: { deviceBytes: 1500, triedBytes: 1500, arrives: true, limitedBy: null, lastHop: null, run: 4 }
  })
})

t.test('a destination at the first hop is asked once a second by one trace', async t => {
  const [answer] = recordedText('traceroute-udp.txt').split('\n').slice(1)
  const some = { stdout: recordedText('traceroute-first-hop.txt').replace(/ [\d.]+ ms$/m, '*') }
  const { argvs, report, findings } = await measure(pathTrace, to('10.244.0.1', { samples: 5 }), [{ stdout: `${answer}\n` }, some, pinged('partly')])
  t.same(argvs.slice(0, 2).map(argv => argv.slice(2, 10)), [
    ['-q', '1', '-f', '1', '-m', '30', '-w', '2,100,100'], ['-q', '4', '-f', '1', '-m', '1', '-w', '2,100,100']
  ])
  t.match(report, { samples: { length: 5 }, hops: [{ sent: 5, answered: 4, times: { maxMs: 0.097 } }] })
  t.match(findings, [{ code: 'TRACE_LOSS', data: { hop: 1, sent: 5, answered: 4 }, evidence: [{ run: 0 }, { run: 1 }, { run: 2 }] }])
})

t.test('a path that ends says behind which hop', async t => {
  const { findings, codes, verdict } = await measure(pathTrace, to(end), [...times(3, traced('ends')), pinged('silent')])
  t.match({ codes, verdict }, { codes: ['TRACE_PATH_ENDS'], verdict: 'fail' })
  t.match(findings, [{ message: /behind hop 3, 198\.51\.100\.134/, data: { hop: 3 }, evidence: [{ run: 0 }, { run: 1 }, { run: 2 }] }])
  const nothing = { stdout: 'traceroute to 10.0.0.1 (10.0.0.1), 2 hops max, 60 byte packets\n 1  *\n 2  *\n' }
  t.match(await measure(pathTrace, to(end, { method: 'icmp', samples: 1, maxHops: 2 }), [nothing]), {
    codes: ['TRACE_PATH_ENDS'], findings: [{ message: /before the first hop/ }]
  })
})

t.test('a destination that drops UDP but answers pings is not where a path ends', async t => {
  const { codes, verdict, report } = await measure(pathTrace, to(end), [...times(3, traced('udp-dropped')), pinged('answered')])
  t.match({ codes, verdict }, { codes: ['TRACE_UDP_UNANSWERED'], verdict: 'pass' })
  t.match(report, { reachedHop: null, check: { sent: 5, received: 5, run: 3 } })
  const lossy = await measure(pathTrace, to(end), [...times(3, traced('udp-dropped')), pinged('partly')])
  t.match(lossy, { codes: ['TRACE_LOSS'], findings: [{ data: { hop: 4, sent: 5, answered: 2 } }] }, 'what pings lose is lost behind the last hop that answers')
})

t.test('loss begins at a hop where it goes on to the destination', async t => {
  const samples = [1, 2, 3, 4].map(number => traced(`loss-${number}`))
  const { codes, verdict, findings } = await measure(pathTrace, to(end, { samples: 4 }), samples)
  t.match({ codes, verdict }, { codes: ['TRACE_LOSS'], verdict: 'warn' })
  t.match(findings, [{ message: /at hop 3, 198\.51\.100\.134/, data: { hop: 3, sent: 4, answered: 3 } }])
})

t.test('what the destination alone does not answer of UDP is loss if pings get lost, too', async t => {
  const samples = [traced('loss-1'), traced('again')]
  t.match(await measure(pathTrace, to(end, { samples: 2 }), [...samples, pinged('partly')]), { codes: ['TRACE_LOSS'], findings: [{ data: { hop: 4 } }] })
  t.match(await measure(pathTrace, to(end, { samples: 2 }), [...samples, pinged('answered')]), { codes: ['TRACE_UDP_UNANSWERED'], verdict: 'pass' })
  const refused = { stderr: recordedText('ping-not-permitted.stderr.txt') }
  t.match(await measure(pathTrace, to(end, { samples: 2 }), [...samples, refused]), { codes: ['TRACE_LOSS'], report: { check: null } })
})

t.test('a router in the middle that is silent is no finding', async t => {
  t.match(await measure(pathTrace, to(end), [traced('quiet-router'), traced('again'), traced('again')]), { codes: [], verdict: 'pass' })
})

t.test('who says that there is no way is named, with the line that shows it', async t => {
  for (const [recording, message] of [['unreachable', /^198\.51\.100\.134 says .* host unreachable/], ['prohibited', /forbidden/]] as const) {
    const { codes, findings, verdict } = await measure(pathTrace, to(nobody), times(3, traced(recording)))
    t.match({ codes, verdict }, { codes: ['TRACE_UNREACHABLE'], verdict: 'fail' })
    t.match(findings, [{ message, evidence: [{ run: 0, line: 4 }, {}, {}], data: { hop: 3, times: 3 } }])
  }
  const world = { pod: examplePod({ podIPs: ['10.244.0.50'] }) }
  t.match(await measure(pathTrace, to('10.244.0.250', { samples: 1 }), [traced('absent')], world), {
    codes: ['TRACE_UNREACHABLE'], findings: [{ message: /^The kernel of the pod says/, data: { ip: null } }]
  })
  for (const [recording, reason] of [['no-way', 'Network is unreachable'], ['forbidden-here', 'Operation not permitted']]) {
    const { codes, findings, argvs } = await measure(pathTrace, to('2001:db8::1'), [{ ...traced(recording!), ...failed(recording!) }])
    t.match({ codes, findings }, { codes: ['TRACE_UNREACHABLE'], findings: [{ data: { reason }, evidence: [{ run: 0 }] }] })
    t.equal(argvs.length, 1, 'it is not tried again')
  }
})

t.test('circles, different ways and a destination beyond maxHops are told apart', async t => {
  t.match(await measure(pathTrace, to(nobody, { samples: 1 }), [traced('loop')]), { codes: ['TRACE_LOOP'], verdict: 'fail', findings: [{ data: { loop: { length: 2 } } }] })
  const other = { stdout: recordedText('traceroute-again.txt').replace('198.51.100.130', '198.51.100.140') }
  t.match(await measure(pathTrace, to(end), [traced('udp'), other, traced('again')]), {
    codes: ['TRACE_ROUTE_DIFFERS'], verdict: 'pass', findings: [{ message: /hop 2 is 198\.51\.100\.130 or 198\.51\.100\.140/ }]
  })
  const cut = { stdout: recordedText('traceroute-udp.txt').split('\n').slice(0, 3).join('\n') + '\n' }
  t.match(await measure(pathTrace, to(end, { maxHops: 2, samples: 1 }), [cut]), { codes: ['TRACE_TOO_FAR'], verdict: 'inconclusive' })
})

t.test('a smaller MTU is a warning where it is told, an error where large packets vanish', async t => {
  const samples = [traced('udp'), traced('again'), traced('again')]
  const input = { destination: { host: end } }
  const told = await measure(pathTrace, input, [...samples, traced('mtu-device'), traced('mtu-told'), traced('mtu-whole')])
  t.match(told, { codes: ['TRACE_MTU_REDUCED'], verdict: 'warn', findings: [{ message: /1400 bytes, as 198\.51\.100\.134 says/, evidence: [{ run: 5 }] }] })
  t.match(told.report, { mtu: { deviceBytes: 1500, triedBytes: 1400, arrives: true, limitedBy: '198.51.100.134' } })
  const lost = await measure(pathTrace, input, [...samples, traced('mtu-device'), traced('mtu-lost'), traced('mtu-lost-path')])
  t.match(lost, { codes: ['TRACE_MTU_BLACK_HOLE'], verdict: 'fail', findings: [{ message: /1500 bytes .* vanish behind hop 3/, data: { arrives: false, lastHop: 3 } }] })
  const late = await measure(pathTrace, input, [...samples, traced('mtu-device'), traced('mtu-lost'), traced('again')])
  t.match(late, { codes: [], report: { mtu: { arrives: true } } }, 'a destination at its limit of answers loses nothing')
  const own = await measure(pathTrace, { destination: { host: '::1' }, samples: 1 }, [traced('ipv6'), traced('ipv6')])
  t.match(own, { codes: [], report: { mtu: null } }, 'loopback takes any size')
})

t.test('icmp and tcp ask for the profiles that may; what is not permitted is said', async t => {
  const profiles = (method: string) => profilesOf(pathTrace, checkParams(pathTrace, to(end, { method })))
  t.same([profiles('udp'), profiles('icmp'), profiles('tcp')], [['restricted'], ['netraw', 'defaultcaps', 'restricted'], ['netraw', 'defaultcaps']])
  t.match(await measure(pathTrace, to(end, { method: 'icmp' }), [failed('not-permitted')]), { codes: ['TRACE_NOT_PERMITTED'], verdict: 'inconclusive' })
  const { argvs, report } = await measure(pathTrace, { destination: { host: end }, method: 'tcp', port: 80, samples: 1 }, [traced('tcp')])
  t.strictSame(argvs, [['traceroute', '-n', '-T', '-p', '80', '-q', '1', '-f', '1', '-m', '30', '-w', '2,100,100', '-z', '50', end]], 'and no size is tried with connects')
  t.match(report, { port: 80, reachedHop: 4 })
})

t.test('mtr takes all samples in one run', async t => {
  const mtr = (recording: string) => ({ stdout: recordedText(`mtr-${recording}.txt`) })
  const input = (host: string) => to(host, { method: 'mtr' })
  const { argvs, report, codes } = await measure(pathTrace, input(end), [mtr('whole')])
  t.strictSame(argvs, [['mtr', '-n', '--raw', '-c', '3', '-i', '1', '-G', '2', '-m', '30', end]])
  t.match({ codes, report }, { codes: [], report: { reachedHop: 4, samples: { length: 3 }, hops: [{ sent: 3, answered: 3 }] } })
  t.match(await measure(pathTrace, input(end), [mtr('loss')]), { codes: ['TRACE_LOSS'], findings: [{ data: { hop: 3, sent: 6, answered: 4 }, evidence: { length: 1 } }] })
  t.match(await measure(pathTrace, input(end), [mtr('ends')]), { codes: ['TRACE_PATH_ENDS'], findings: [{ data: { hop: 3 } }] })
  t.match(await measure(pathTrace, input(nobody), [mtr('unreachable')]), { codes: ['TRACE_UNREACHABLE'], findings: [{ data: { ip: '198.51.100.134' } }] })
  const refused = { stderr: recordedText('mtr-not-permitted.stderr.txt') }
  t.match(await measure(pathTrace, input(end), [refused]), { codes: ['TRACE_NOT_PERMITTED'], findings: [{ evidence: [{ run: 0 }] }] })
  const sized = await measure(pathTrace, { destination: { host: end }, method: 'mtr' }, [mtr('whole'), traced('mtu-device'), traced('mtu-whole')])
  t.match(sized.argvs.slice(1), [['traceroute', '-n', '-I', '-F'], ['traceroute', '-n', '-I', '-F']], 'large packets are pings, too')
})

t.test('only connects have a way to the address of a Service', async t => {
  const world = { services: [exampleService()] }
  t.match(await measure(pathTrace, { destination: { service } }, [], world), { codes: ['TRACE_SERVICE_ADDRESS'], verdict: 'inconclusive', argvs: [] })
  const { argvs } = await measure(pathTrace, { destination: { service }, method: 'tcp', samples: 1 }, [{ stdout: ' 1  10.96.0.20  0.1 ms\n' }], world)
  t.match(argvs, [['traceroute', '-n', '-T', '-p', '8080']])
})

t.test('a proxy that answers every connect is where a trace of connects ends', async t => {
  const world = { pod: examplePod({ sidecars: ['linkerd-proxy'] }) }
  const answered = { stdout: ` 1  ${end}  0.1 ms\n` }
  t.match(await measure(pathTrace, to(end, { method: 'tcp', samples: 1 }), [answered], world), { codes: ['TRACE_THROUGH_PROXY'], verdict: 'inconclusive' })
  t.match(await measure(pathTrace, to(end, { samples: 1 }), [answered], world), { codes: [] })
})

t.test('names are resolved as the pod does it, and metadata services are left alone', async t => {
  t.match(await measure(pathTrace, to('nope.shop'), [dig('nxdomain')]), { codes: ['TRACE_NAME_UNRESOLVED'], verdict: 'fail' })
  for (const host of ['169.254.169.254', 'fd00:ec2::254', '1.2.3']) {
    t.throws(() => checkParams(pathTrace, to(host)), { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/destination/host' }] }, host)
  }
  const rebound = recordedText('dig-answer.txt').replace(/(\sIN\s+A\s+)10\.\S+/, '$1169.254.169.254')
  t.match(await measure(pathTrace, to('web.shop.svc.cluster.local'), [{ stdout: rebound }]), { codes: ['TRACE_NOT_TRIED'], argvs: { length: 1 } })
})

t.test('the time it may take grows with what is asked for, and stays within an hour', t => {
  const seconds = (params: Record<string, unknown>) => pathTrace.timeoutSecondsFor(checkParams(pathTrace, to(end, params)))
  t.ok(seconds({}) < seconds({ samples: 10 }))
  t.ok(seconds({ samples: 30, maxHops: 64, waitSeconds: 5, measureMtu: true }) <= 3600)
  t.end()
})

import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import { profilesOf } from '#core/diagnostic.ts'
import ping from '../../src/diagnostics/ping.ts'
import { measure } from '../support/measure.ts'
import { examplePod, exampleService } from '../support/recorded-probe.ts'
import { recordedText } from '../support/recorded.ts'

const answers = (recording: string) => ({ stdout: recordedText(`ping-${recording}.txt`) })
const failed = (recording: string) => ({ stderr: recordedText(`ping-${recording}.stderr.txt`), exitCode: 2 })
const nc = (recording: string, durationMs = 9) => ({ stderr: recordedText(`nc-${recording}.stderr.txt`), durationMs })
const dig = (recording: string) => ({ stdout: recordedText(`dig-${recording}.txt`) })
const ip = '198.51.100.138'
const to = (host: string, rest = {}) => ({ destinations: [{ host }], ...rest })
const service = { namespace: 'shop', name: 'orders' }

t.test('an address that answers passes, and its times are in the report', async t => {
  const { verdict, codes, argvs, report } = await measure(ping, to(ip), [answers('answered')])
  t.match({ verdict, codes }, { verdict: 'pass', codes: [] })
  t.strictSame(argvs, [['ping', '-n', '-c', '5', '-i', '0.2', '-s', '56', '-W', '3', ip]])
  t.match(report, {
    targets: [{
      host: ip,
      dnsStatus: null,
      series: [{
        ip, method: 'icmp', port: null, icmpPermitted: true, sent: 5, received: 5, lossPercent: 0, ttl: 61, notices: [], times: { minMs: 0.095, avgMs: 0.1, maxMs: 0.112, jitterMs: 0.006 }
      }],
      notTried: []
    }],
    proxy: null
  })
})

t.test('each way to fail has its code, with the line that shows it', async t => {
  for (const [recording, code, verdict] of [
    ['silent', 'PING_NO_REPLY', 'fail'], ['partly', 'PING_LOSS', 'warn'], ['unreachable', 'PING_UNREACHABLE', 'fail'],
    ['filtered', 'PING_UNREACHABLE', 'fail'], ['expired', 'PING_UNREACHABLE', 'fail'], ['absent', 'PING_UNREACHABLE', 'fail'],
    ['prohibited-by-host', 'PING_UNREACHABLE', 'fail'], ['busybox-silent', 'PING_NO_REPLY', 'fail'], ['busybox-partly', 'PING_LOSS', 'warn']
  ] as const) {
    const { findings, ...rest } = await measure(ping, to(ip), [answers(recording)])
    t.match(rest, { codes: [code], verdict }, recording)
    t.match(findings, [{ data: { host: ip, ip, sent: 5 } }])
    const [place] = findings[0]!.evidence!
    t.match(recordedText(`ping-${recording}.txt`).split('\n')[place!.line! - 1], /packets transmitted/)
  }
})

t.test('what the network says, and who, is in the words of the finding', async t => {
  const said = async (recording: string) => (await measure(ping, to(ip), [answers(recording)])).findings[0]!
  t.match(await said('filtered'), { message: /198\.51\.100\.134 says "Packet filtered"/, data: { notices: [{ ip: '198.51.100.134', count: 4 }] } })
  t.match(await said('expired'), { message: /Time to live exceeded/ })
  const { findings, report } = await measure(ping, to('2001:db8::1'), [failed('no-way')])
  t.match(findings, [{ code: 'PING_UNREACHABLE', message: /the kernel of the pod says "Network is unreachable"/ }])
  t.match(report, { targets: [{ series: [{ sent: 0, lossPercent: null, times: null }] }] })
})

t.test('a high mean time is a finding from slowMs on', async t => {
  t.match(await measure(ping, to(ip), [answers('slow')]), { codes: ['PING_LOSS', 'PING_SLOW'], findings: [{}, { data: { avgMs: 219.026 } }] })
  t.match(await measure(ping, to(ip, { slowMs: 220 }), [answers('slow')]), { codes: ['PING_LOSS'] })
})

t.test('where pings are not permitted connects are timed, and it says so', async t => {
  const { codes, verdict, argvs, report } = await measure(ping, to(ip, { count: 3 }), [failed('not-permitted'), nc('open', 8), nc('refused', 10), nc('open', 12)])
  t.match({ codes, verdict }, { codes: ['PING_ICMP_NOT_PERMITTED'], verdict: 'pass' })
  t.same(argvs.map(([tool, ...rest]) => [tool, rest.at(-1)]), [['ping', ip], ['nc', '443'], ['nc', '443'], ['nc', '443']])
  t.match(report, {
    targets: [{ series: [{ icmpPermitted: false, method: 'tcp', port: 443, sent: 3, received: 3, times: { minMs: 8, avgMs: 10, maxMs: 12 }, run: 3 }] }]
  }, 'a refused connect is an answer')
  t.match(await measure(ping, to(ip, { count: 1, tcpPort: 8443 }), [failed('not-permitted'), nc('timeout')]), {
    codes: ['PING_ICMP_NOT_PERMITTED', 'PING_NO_REPLY'], verdict: 'fail'
  })
  t.match(await measure(ping, to(ip, { count: 2 }), [failed('not-permitted'), nc('no-route'), nc('no-route')]), {
    codes: ['PING_ICMP_NOT_PERMITTED', 'PING_UNREACHABLE'], findings: [{}, { data: { notices: [{ reason: 'No route to host', count: 2 }] } }]
  })
})

t.test('method icmp sends pings or nothing, with the profile that may; method tcp sends none', async t => {
  t.match(await measure(ping, to(ip, { method: 'icmp' }), [failed('not-permitted')]), { codes: ['PING_NOT_MEASURED'], verdict: 'inconclusive' })
  const { argvs, codes } = await measure(ping, to(ip, { method: 'tcp', count: 100, tcpPort: 80 }), Array(10).fill(nc('open')))
  t.same(codes, [])
  t.equal(argvs.length, 10, 'each connect is a run')
  const profiles = (method: string) => profilesOf(ping, checkParams(ping, to(ip, { method })))
  t.same([profiles('auto'), profiles('tcp'), profiles('icmp')], [['restricted'], ['restricted'], ['netraw', 'defaultcaps', 'restricted']])
})

t.test('to the address of a Service connects are timed, at its own port', async t => {
  const world = { services: [exampleService()] }
  const { codes, verdict, argvs } = await measure(ping, { destinations: [{ service }], count: 1 }, [nc('open')], world)
  t.match({ codes, verdict }, { codes: ['PING_SERVICE_ADDRESS'], verdict: 'pass' })
  t.same(argvs.map(argv => argv.slice(-2)), [['10.96.0.20', '8080']])
  const named = await measure(ping, to('10.96.0.20', { count: 1 }), [nc('refused')], { ...world, names: { '10.96.0.20': { service } } })
  t.match(named, { codes: ['PING_SERVICE_ADDRESS', 'PING_UNREACHABLE'], findings: [{}, { message: /Connection refused/ }] }, 'the node refuses where there is no endpoint')
  const hidden = await measure(ping, to('10.96.0.20', { count: 1 }), [nc('open')], { ...world, names: { '10.96.0.20': { service } }, denied: ['get services shop'] })
  t.same(hidden.argvs.map(argv => argv.at(-1)), ['443'], 'what the caller may not read is not read')
})

t.test('a proxy that accepts every connect is what was timed; pings do not pass it', async t => {
  const world = { pod: examplePod({ sidecars: ['istio-proxy'] }) }
  t.match(await measure(ping, to(ip, { count: 1, method: 'tcp' }), [nc('open')], world), { codes: ['PING_THROUGH_PROXY'], verdict: 'inconclusive' })
  t.match(await measure(ping, to(ip), [answers('answered')], world), { codes: [], report: { proxy: 'istio-proxy' } })
})

t.test('names are resolved as the pod does it; each address is asked', async t => {
  const { argvs, report } = await measure(ping, to('web.shop'), [dig('search-list'), answers('answered')], { names: {} })
  t.same(argvs.map(([tool]) => tool), ['dig', 'ping'])
  t.match(report, { targets: [{ host: 'web.shop', dnsStatus: 'NOERROR', series: [{ run: 1 }] }] })
  t.match(await measure(ping, to('nope.shop'), [dig('nxdomain')]), { codes: ['PING_NAME_UNRESOLVED'], findings: [{ data: { dnsStatus: 'NXDOMAIN' } }] })
})

t.test('metadata services are left alone, by address and by name', async t => {
  for (const host of ['169.254.169.254', '::ffff:169.254.169.254', '1.2.3']) {
    t.throws(() => checkParams(ping, to(host)), { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/destinations/0/host' }] }, host)
  }
  const rebound = recordedText('dig-answer.txt').replace(/(\sIN\s+A\s+)10\.\S+/, '$1169.254.169.254')
  const { argvs, codes, verdict } = await measure(ping, to('web.shop.svc.cluster.local'), [{ stdout: rebound }])
  t.same(argvs.map(([tool]) => tool), ['dig'])
  t.match({ codes, verdict }, { codes: ['PING_NOT_TRIED'], verdict: 'inconclusive' })
})

t.test('the time it may take stays within an hour, and grows with what is asked for', t => {
  const seconds = (params: Record<string, unknown>) => ping.timeoutSecondsFor(checkParams(ping, params))
  t.ok(seconds(to(ip, { count: 100, intervalMs: 10_000 })) > 1000)
  t.ok(seconds({ destinations: Array(20).fill({ host: 'a.test' }), count: 100, intervalMs: 10_000, waitSeconds: 10 }) <= 3600)
  t.end()
})

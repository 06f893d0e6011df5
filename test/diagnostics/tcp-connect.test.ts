import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import type { Problem } from '#core/errors.ts'
import type { EndpointSummary } from '#core/objects.ts'
import { rightOf } from '#core/reading.ts'
import tcpConnect from '../../src/diagnostics/tcp-connect.ts'
import { measure } from '../support/measure.ts'
import { examplePod, exampleService, recordedProbe } from '../support/recorded-probe.ts'
import { recordedText } from '../support/recorded.ts'

const nc = (recording: string, durationMs = 9) =>
  ({ stderr: recordedText(`nc-${recording}.stderr.txt`), exitCode: recording === 'open' ? 0 : 1, durationMs })
const dig = (recording: string) => ({ stdout: recordedText(`dig-${recording}.txt`) })
const to = (host: string, port = 8080) => ({ destinations: [{ host, port }], holdMs: 0 })

t.test('an open port passes without findings, and nothing is asked of DNS for an address', async t => {
  const { verdict, codes, argvs, report } = await measure(tcpConnect, to('10.244.0.6'), [nc('open')])
  t.match({ verdict, codes }, { verdict: 'pass', codes: [] })
  t.strictSame(argvs, [['nc', '-n', '-v', '-z', '-w', '3', '10.244.0.6', '8080']])
  t.strictSame(report, {
    connections: [{
      host: '10.244.0.6',
      port: 8080,
      dnsStatus: null,
      notTried: [],
      attempts: [{
        ip: '10.244.0.6', port: 8080, pod: null, service: null, node: null, outcome: 'open', reason: null, elapsedMs: 9, run: 0
      }]
    }],
    proxy: null
  })
})

t.test('an open connection is held once more for a moment, and cut or refused then', async t => {
  const ask = (recording: { stderr?: string, exitCode: number }, input = {}) =>
    measure(tcpConnect, { destinations: [{ host: '10.244.0.6', port: 8080 }], ...input }, [nc('open'), recording])
  const curl = (recording: string, exitCode: number) => ({ stderr: recordedText(`curl-hold-${recording}.stderr.txt`), exitCode })
  for (const held of [{ stderr: 'curl: (28) Time-out\n', exitCode: 28 }, { exitCode: 0 }]) {
    const { verdict, argvs } = await ask(held)
    t.equal(verdict, 'pass')
    t.strictSame(argvs[1], ['curl', '-q', '-g', '-s', '-S', '-o', '/dev/null', '-m', '0.209', 'telnet://10.244.0.6:8080'])
  }
  const cut = await ask(curl('reset', 56))
  t.match(cut, { verdict: 'fail', codes: ['TCP_RESET'], findings: [{ message: /Connection reset by peer/, evidence: [{ run: 1 }] }] })
  t.match(await ask(curl('refused', 7)), { codes: ['TCP_FAILED'], findings: [{ message: /open once, and then: Failed to connect/ }] })
  t.match(await ask(curl('reset', 56), { expect: 'closed' }), { verdict: 'pass' })
  await t.rejects(ask({ stderr: 'curl: (3) URL rejected\n', exitCode: 3 }), { code: 'EPH_OUTPUT_UNREADABLE' })
  const { argvs } = await measure(tcpConnect, { destinations: [{ host: '2001:db8::1', port: 80 }], holdMs: 1500 }, [nc('open'), { exitCode: 0 }])
  t.same(argvs[1]!.slice(-2), ['1.509', 'telnet://[2001:db8::1]:80'])
})

t.test('each way to fail has its code and the run as evidence', async t => {
  for (const [recording, code] of [['refused', 'TCP_REFUSED'], ['timeout', 'TCP_TIMEOUT'], ['no-route', 'TCP_UNREACHABLE'], ['unreachable', 'TCP_UNREACHABLE']] as const) {
    const { verdict, findings } = await measure(tcpConnect, to('10.244.0.6'), [nc(recording)])
    t.equal(verdict, 'fail')
    t.match(findings, [{ code, evidence: [{ run: 0 }], data: { host: '10.244.0.6', port: 8080, ip: '10.244.0.6' } }], recording)
  }
  for (const [words, code] of [['Connection reset by peer', 'TCP_RESET'], ['Operation not permitted', 'TCP_FAILED']]) {
    const stderr = `nc: connect to 10.244.0.6 port 8080 (tcp) failed: ${words}\n`
    t.match(await measure(tcpConnect, to('10.244.0.6'), [{ stderr }]), { codes: [code] })
  }
})

t.test('names are resolved as the pod does it; the address is what is connected to', async t => {
  const { verdict, argvs, report } = await measure(tcpConnect, to('web.shop'), [dig('search-list'), nc('open')])
  t.equal(verdict, 'pass')
  t.same(argvs.map(([tool]) => tool), ['dig', 'nc'])
  t.match(report, { connections: [{ dnsStatus: 'NOERROR', attempts: [{ outcome: 'open', run: 1 }] }] })
  t.match(argvs[1]!.at(-2), /^10\.96\./)
})

t.test('a name without an address says so, and nothing is connected to', async t => {
  const gone = await measure(tcpConnect, to('nope.shop'), [dig('nxdomain')])
  t.match(gone, { verdict: 'fail', codes: ['TCP_NAME_UNRESOLVED'], findings: [{ data: { dnsStatus: 'NXDOMAIN' } }] })
  t.match(await measure(tcpConnect, to('web.shop'), [dig('unreachable')]), { codes: ['TCP_NAME_UNRESOLVED'], findings: [{ message: /TIMEOUT/ }] })
  const { argvs, codes } = await measure(tcpConnect, to('web.shop'), [dig('no-data'), dig('no-data')])
  t.same(argvs.map(argv => argv.at(-3)), ['A', 'AAAA'], 'the other family is asked for')
  t.same(codes, ['TCP_NAME_UNRESOLVED'])
})

t.test('several addresses: some that fail are a warning, all that fail an error', async t => {
  const answer = recordedText('dig-answer.txt')
  const record = answer.split('\n').find(line => /\sIN\s+A\s+10\./.test(line))!
  const two = answer.replace(record, `${record}\n${record.replace(/\S+$/, '10.96.9.9')}`).replace('ANSWER: 1,', 'ANSWER: 2,')
  t.match(await measure(tcpConnect, to('web.shop.svc.cluster.local'), [{ stdout: two }, nc('open'), nc('timeout', 3005)]), {
    verdict: 'warn', codes: ['TCP_ADDRESS_FAILED'], findings: [{ message: /10\.96\.9\.9 \(timed out\)/, evidence: [{ run: 2 }] }]
  })
  t.match(await measure(tcpConnect, to('web.shop.svc.cluster.local'), [{ stdout: two }, nc('refused'), nc('timeout')]), { codes: ['TCP_REFUSED'] })
})

t.test('an answer that came late is a warning', async t => {
  t.match(await measure(tcpConnect, to('10.244.0.6'), [nc('open', 1042)]), { verdict: 'warn', codes: ['TCP_SLOW'], findings: [{ message: /after 1042 ms/ }] })
})

t.test('where closed is expected, only an open port fails', async t => {
  const input = { ...to('10.244.0.6'), expect: 'closed' }
  t.match(await measure(tcpConnect, input, [nc('open')]), { verdict: 'fail', codes: ['TCP_NOT_CLOSED'] })
  for (const recording of ['refused', 'timeout', 'no-route']) t.match(await measure(tcpConnect, input, [nc(recording)]), { verdict: 'pass', codes: [] })
})

t.test('a sidecar proxy accepts everything: open is not said on the connect alone', async t => {
  const params = checkParams(tcpConnect, to('10.244.0.6'))
  for (const pod of [{ containers: [{ name: 'istio-proxy', image: 'x', ports: [], running: true, memoryLimitBytes: null }] }, { sidecars: ['linkerd-proxy'] }]) {
    const { probe } = recordedProbe([nc('open'), nc('refused')])
    const proxied = { ...probe, pod: examplePod(pod) }
    t.match(tcpConnect.judge(await tcpConnect.measure(params, proxied), params), [{ code: 'PATH_THROUGH_PROXY' }])
    t.match(tcpConnect.judge(await tcpConnect.measure(params, proxied), params), [{ code: 'TCP_REFUSED' }], 'what it refuses is closed all the same')
  }
})

t.test('metadata services are left alone, by address and by name', async t => {
  for (const host of ['169.254.169.254', '::ffff:169.254.169.254', '1.2.3', '10.0.0.1:80']) {
    t.throws(() => checkParams(tcpConnect, to(host, 80)), { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/destinations/0/host' }] }, host)
  }
  const rebound = recordedText('dig-answer.txt').replace(/(\sIN\s+A\s+)10\.\S+/, '$1169.254.169.254')
  const { argvs, codes, verdict } = await measure(tcpConnect, to('web.shop.svc.cluster.local', 80), [{ stdout: rebound }])
  t.same(argvs.map(([tool]) => tool), ['dig'])
  t.match({ codes, verdict }, { codes: ['TCP_NOT_TRIED'], verdict: 'inconclusive' })
})

const pod = examplePod({ name: 'orders-0', podIPs: ['10.244.0.7', 'fd00::7'] })
const endpoint = (ip: string, ready = true): EndpointSummary => ({ ip, ready, terminating: false, pod: null, node: null, ports: [] })
const toService = { destinations: [{ service: { namespace: 'shop', name: 'orders' }, port: 8080 }], holdMs: 0 }
const toPod = { destinations: [{ pod: { namespace: 'shop', name: 'orders-0' }, port: 8080 }], holdMs: 0 }
const addressesOf = (argvs: string[][]) => argvs.map(argv => argv.at(-2))

t.test('a pod is each of its addresses, a Service its cluster IPs, a headless one its ready endpoints', async t => {
  const both = await measure(tcpConnect, toPod, [nc('open'), nc('open')], { pods: [pod] })
  t.same(addressesOf(both.argvs), ['10.244.0.7', 'fd00::7'])
  const six = await measure(tcpConnect, { ...toPod, family: 6 }, [nc('open')], { pods: [pod] })
  t.same(addressesOf(six.argvs), ['fd00::7'])
  const clusterIP = await measure(tcpConnect, toService, [nc('refused')], { services: [exampleService()], names: { '10.96.0.20': { service: { namespace: 'shop', name: 'orders' } } } })
  t.match(clusterIP.report, { connections: [{ service: { name: 'orders' }, dnsStatus: null, attempts: [{ ip: '10.96.0.20', service: { name: 'orders' }, pod: null }] }] })
  t.match(clusterIP.findings, [{ code: 'TCP_REFUSED', message: /^Service "shop\/orders" port 8080 refuses/, data: toService.destinations[0] }])
  const headless = { services: [exampleService({ headless: true, clusterIPs: [] })], endpoints: { 'shop/orders': [endpoint('10.244.0.8'), endpoint('10.244.0.9', false)] } }
  t.same(addressesOf((await measure(tcpConnect, toService, [nc('open')], headless)).argvs), ['10.244.0.8'])
  t.match(await measure(tcpConnect, toService, [], { ...headless, endpoints: {} }), { codes: ['TCP_NAME_UNRESOLVED'], verdict: 'fail' })
})

t.test('a Service that is another name is resolved by the pod, and must be a name', async t => {
  const named = (externalName: string) => ({ services: [exampleService({ type: 'ExternalName', clusterIPs: [], externalName })] })
  const { argvs } = await measure(tcpConnect, toService, [dig('search-list'), nc('open')], named('web.shop'))
  t.equal(argvs[0]!.at(-1), 'web.shop.')
  await t.rejects(measure(tcpConnect, toService, [], named('-f/etc/hosts')), { code: 'EPH_OUTPUT_UNREADABLE' })
  const rebound = { services: [exampleService({ clusterIPs: ['169.254.169.254'] })] }
  t.match(await measure(tcpConnect, toService, [], rebound), { codes: ['TCP_NOT_TRIED'], argvs: [] })
  const balanced = { services: [exampleService()], endpoints: { 'shop/orders': [endpoint('10.244.0.8'), endpoint('168.63.129.16')] } }
  t.match(await measure(tcpConnect, toService, [], balanced), { codes: ['TCP_NOT_TRIED'], argvs: [] }, 'nobody sees where kube-proxy leads')
})

t.test('what the caller may not read, or what is gone, is not connected to', async t => {
  t.same(tcpConnect.reads!(checkParams(tcpConnect, { destinations: [...toPod.destinations, ...toService.destinations] }), 'shop').map(rightOf), [
    { group: '', resource: 'pods', verb: 'get', namespace: 'shop' }, { group: '', resource: 'services', verb: 'get', namespace: 'shop' },
    { group: 'discovery.k8s.io', resource: 'endpointslices', verb: 'list', namespace: 'shop' }
  ])
  await t.rejects(measure(tcpConnect, toPod, [], { pods: [pod], denied: ['get pods shop'] }), { code: 'EPH_FORBIDDEN' })
  await t.rejects(measure(tcpConnect, toPod, []), { code: 'EPH_NOT_FOUND' })
  await t.rejects(measure(tcpConnect, toService, []), { code: 'EPH_NOT_FOUND' })
})

t.test('one way to name a destination, and one family', async t => {
  const errorsOf = (input: Record<string, unknown>) => {
    try {
      checkParams(tcpConnect, input)
      return []
    } catch (error) {
      return (error as Problem).errors.map(({ pointer }) => pointer)
    }
  }
  t.same(errorsOf({ destinations: [{ port: 1 }] }), ['/params/destinations/0'])
  t.same(errorsOf({ destinations: [{ ...toPod.destinations[0], host: 'web' }] }), ['/params/destinations/0'])
  t.same(errorsOf({ destinations: [{ pod: { namespace: 'shop', name: '../x' }, port: 1 }] }), ['/params/destinations/0/pod/name'])
  t.same(errorsOf({ ...to('10.0.0.1'), family: 5 }), ['/params/family'])
  t.same(errorsOf({ ...to('10.0.0.1'), family: 6 }), ['/params/family'])
  const { argvs } = await measure(tcpConnect, { ...to('web.shop'), family: 6 }, [dig('no-data')])
  t.same(argvs.map(argv => argv.at(-3)), ['AAAA'], 'only this family is asked for')
})

const udp = { ...to('10.244.0.6', 53), protocol: 'udp', waitSeconds: 2 }
const silent = (durationMs: number) => ({ stdout: '', stderr: '', durationMs })

t.test('over UDP an answer is what makes a port open', async t => {
  const { argvs, verdict, report } = await measure(tcpConnect, { ...udp, udpQuestion: 'dns' }, [{ stdout: 'answer', durationMs: 2500 }])
  t.strictSame(argvs, [['nc', '-n', '-u', '-v', '-w', '2', '-W', '1', '10.244.0.6', '53']])
  t.match({ verdict, report }, { verdict: 'pass', report: { connections: [{ attempts: [{ outcome: 'open', reason: null }] }] } })
  t.match(await measure(tcpConnect, udp, [silent(2004)]), { verdict: 'fail', codes: ['UDP_NO_ANSWER'], findings: [{ message: '"10.244.0.6" UDP port 53 does not answer: 10.244.0.6 (no answer)' }] })
  t.match(await measure(tcpConnect, udp, [silent(9)]), { verdict: 'fail', codes: ['UDP_REFUSED'] })
  t.match(await measure(tcpConnect, udp, [{ stderr: recordedText('nc-udp-unreachable.stderr.txt'), exitCode: 1 }]), { codes: ['UDP_UNREACHABLE'] })
})

t.test('over UDP closed may be expected too, and no proxy of a mesh answers', async t => {
  const closed = { ...udp, expect: 'closed' }
  t.match(await measure(tcpConnect, closed, [{ stdout: 'answer' }]), { verdict: 'fail', codes: ['UDP_NOT_CLOSED'] })
  for (const durationMs of [9, 2004]) t.match(await measure(tcpConnect, closed, [silent(durationMs)]), { verdict: 'pass', codes: [] })
  t.match(await measure(tcpConnect, udp, [{ stdout: 'answer' }], { pod: examplePod({ sidecars: ['istio-proxy'] }) }), { verdict: 'pass', codes: [] })
})

t.test('the time it may take stays within an hour', t => {
  const destinations = Array.from({ length: 20 }, () => ({ host: 'a.test', port: 1 }))
  t.ok(tcpConnect.timeoutSecondsFor(checkParams(tcpConnect, { destinations, waitSeconds: 30 })) <= 3600)
  t.end()
})

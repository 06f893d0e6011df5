import t from 'tap'
import { checkParams } from '#core/check-params.ts'
import packetCapture from '../../src/diagnostics/packet-capture.ts'
import { countersText, makePcap, tcpPacket, type TcpOptions } from '../support/make-pcap.ts'
import { measure } from '../support/measure.ts'
import type { RecordedCapture } from '../support/recorded-probe.ts'
import { recordedBytes, recordedText } from '../support/recorded.ts'

const capture = async (input: Record<string, unknown>, recording: RecordedCapture) => await measure(packetCapture, input, [recording])

const made = (packets: TcpOptions[], rest: Partial<RecordedCapture> = {}): RecordedCapture =>
  ({ stream: makePcap(packets.map(packet => ({ bytes: tcpPacket(packet) }))), stderr: countersText(packets.length), ...rest })

const http = { stream: recordedBytes('http-eth0.pcap'), stderr: recordedText('http-eth0.stderr.txt') }
const refused = { stream: recordedBytes('refused-any.pcap'), stderr: recordedText('refused-any.stderr.txt') }

t.test('a capture of working traffic passes and tells what is in it', async t => {
  const { report, findings, verdict } = await capture({ filter: { protocol: 'tcp', port: 8080 } }, http)
  t.same(findings, [])
  t.equal(verdict, 'pass')
  t.match(report, {
    packets: 10,
    pcapBytes: http.stream.length,
    droppedByKernel: 0,
    linkType: 'EN10MB',
    snapLength: 128,
    filter: 'tcp and port 8080',
    firstPacketAt: '2026-11-24T09:42:17.490Z',
    stoppedBy: 'time',
    tcp: { syns: 1, synAcks: 1, resets: 0 }
  })
})

t.test('argv holds options of ours and at its very end the filter', async t => {
  const { argvs: [argv] } = await capture({ interface: 'any', snapLength: 65535, filter: { host: '2001:DB8:0::1', direction: 'in' } }, http)
  t.same(argv, ['tcpdump', '-n', '-p', '-U', '-Z', 'root', '-i', 'any', '-Q', 'in', '-s', '65535', '-c', '1000000', '-w', '-', '--', 'host 2001:db8::1'])
  t.equal((await capture({}, http)).argvs[0]!.at(-1), '--')
})

t.test('what ended it is told', async t => {
  const how = async (rest: Partial<RecordedCapture>) => (await capture({ durationSeconds: 10 }, { ...http, ...rest })).report.stoppedBy
  t.equal(await how({ durationMs: 11_204 }), 'time')
  t.equal(await how({ durationMs: 4000 }), 'finish')
  t.equal(await how({ durationMs: 4000, endCause: 'exited' }), 'packets')
  t.equal(await how({ durationMs: 4000, reachedMaxBytes: true }), 'bytes')
})

t.test('refused connections are a warning that points to the packet', async t => {
  const { findings, verdict } = await capture({ interface: 'any' }, refused)
  t.match(findings, [{ code: 'CAPTURE_REFUSED', data: { refusals: 2, syns: 2 }, evidence: [{ run: 0, packet: 2 }] }])
  t.equal(verdict, 'warn')
})

t.test('attempts that nobody answers are a warning, unless only one direction was captured', async t => {
  const syns = made([{ syn: true }, { syn: true }])
  t.match(await capture({}, syns), { verdict: 'warn', findings: [{ code: 'CAPTURE_UNANSWERED', message: /none of which was answered: 2/ }] })
  t.match(await capture({ filter: { direction: 'out' } }, syns), { verdict: 'pass', findings: [] })
  t.match(await capture({}, made([{ syn: true }, { syn: true, ack: true }])), { verdict: 'pass', findings: [] })
})

t.test('an empty capture and missing packets are warnings', async t => {
  t.match(await capture({ filter: { port: 9 } }, made([])), {
    verdict: 'warn', findings: [{ code: 'CAPTURE_EMPTY', message: /"port 9"/ }], report: { packets: 0, firstPacketAt: null, lastPacketAt: null }
  })
  t.match(await capture({}, made([{ ack: true }], { stderr: countersText(1, 17) })), {
    verdict: 'warn', findings: [{ code: 'CAPTURE_DROPPED', data: { droppedByKernel: 17 } }], report: { droppedByKernel: 17 }
  })
})

t.test('a stream that is not whole ends the measurement', async t => {
  await t.rejects(capture({}, { ...http, stream: http.stream.subarray(0, -1) }), /record 10 is not whole/)
  await t.rejects(capture({ interface: 'eth7' }, { stream: Buffer.alloc(0), stderr: 'tcpdump: eth7: No such device exists\n' }), /No such device/)
})

t.test('a filter that can fit no packet is refused with a pointer', t => {
  const pointers: [Record<string, unknown>, string][] = [
    [{ protocol: 'icmp', port: 80 }, '/params/filter/port'],
    [{ host: '10.0.0.256' }, '/params/filter/host'],
    [{ host: '1.2.3.4', protocol: 'icmp6' }, '/params/filter/host'],
    [{ host: 'fe80::1', protocol: 'arp' }, '/params/filter/host']
  ]
  for (const [filter, pointer] of pointers) {
    t.throws(() => checkParams(packetCapture, { filter }), { code: 'EPH_PARAMS_INVALID', errors: [{ pointer }] }, JSON.stringify(filter))
  }
  t.end()
})

t.test('devices that are no network interfaces are refused', t => {
  for (const device of ['dbus-system', 'nflog', 'nfqueue', 'usbmon0', 'bluetooth0', '-i', 'eth0;id', 'rpcap://x', '1', '../eth0', 'a'.repeat(16)]) {
    t.throws(() => checkParams(packetCapture, { interface: device }), { code: 'EPH_PARAMS_INVALID', errors: [{ pointer: '/params/interface' }] }, device)
  }
  t.end()
})

t.test('the longest capture ends within the hour that a measurement may take', t => {
  t.ok(packetCapture.timeoutSecondsFor(checkParams(packetCapture, { durationSeconds: 3540 })) <= 3600)
  t.throws(() => checkParams(packetCapture, { durationSeconds: 3541 }), { code: 'EPH_PARAMS_INVALID' })
  t.end()
})

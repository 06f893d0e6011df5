import t from 'tap'
import { parseNetcat, parseUdp, udpQuestions } from '#analysis/netcat.ts'
import { recordedText } from '../support/recorded.ts'

t.test('each way to end is told apart', t => {
  const expected = {
    open: { outcome: 'open', reason: null },
    refused: { outcome: 'refused', reason: 'Connection refused' },
    timeout: { outcome: 'timeout', reason: 'timed out' },
    'no-route': { outcome: 'unreachable', reason: 'No route to host' },
    unreachable: { outcome: 'unreachable', reason: 'Network is unreachable' }
  }
  for (const [recording, result] of Object.entries(expected)) t.strictSame(parseNetcat(recordedText(`nc-${recording}.stderr.txt`)), result, recording)
  const says = (words: string) => parseNetcat(`nc: connect to 10.0.0.1 port 80 (tcp) failed: ${words}\n`).outcome
  t.equal(says('Connection reset by peer'), 'reset')
  t.equal(says('Connection timed out'), 'timeout', 'the kernel gave up first')
  t.equal(says('Operation not permitted'), 'failed')
  t.end()
})

t.test('what is no report of nc is unreadable, and no result', t => {
  for (const text of ['', 'nc: out of memory\n', 'Connection to 10.0.0.1 80 port [udp/*] succeeded!\n']) {
    t.throws(() => parseNetcat(text), { code: 'EPH_OUTPUT_UNREADABLE' }, JSON.stringify(text))
  }
  t.end()
})

t.test('a datagram that is answered, refused or not answered', t => {
  const read = (durationMs: number, rest = {}) => parseUdp({ stdout: '', stderr: '', durationMs, ...rest }, 2)
  t.strictSame(read(2100, { stdout: '\0' }), { outcome: 'open', reason: null })
  t.strictSame(read(2000), { outcome: 'timeout', reason: 'no answer' })
  t.strictSame(read(1999), { outcome: 'refused', reason: 'port unreachable' })
  t.strictSame(read(7, { stderr: recordedText('nc-udp-unreachable.stderr.txt') }), { outcome: 'unreachable', reason: 'Network is unreachable' })
  t.equal(read(7, { stderr: 'nc: connect to 10.0.0.1 port 80 (udp) failed: Operation not permitted\n' }).outcome, 'failed')
  t.throws(() => read(7, { stderr: 'nc: out of memory' }), { code: 'EPH_OUTPUT_UNREADABLE' })
  t.end()
})

t.test('questions over UDP are as long as their protocols say', t => {
  const sizes = Object.fromEntries(Object.entries(udpQuestions).map(([name, text]) => [name, Buffer.from(text).length]))
  t.same(sizes, { line: 1, dns: 17, ntp: 48 })
  t.end()
})

t.test('the nc of busybox, which knows none of our options, is unreadable, not closed', t => {
  t.throws(() => parseNetcat(recordedText('nc-busybox.stderr.txt')), { code: 'EPH_OUTPUT_UNREADABLE', message: /invalid option/ })
  t.end()
})

import t from 'tap'
import { parsePing } from '#analysis/ping.ts'
import { recordedText } from '../support/recorded.ts'

const read = (name: string) => parsePing(recordedText(`ping-${name}.txt`), '')
const failed = (name: string) => parsePing('', recordedText(`ping-${name}.stderr.txt`))

t.test('replies are read with their times, the TTL and the line that counts them', t => {
  const output = read('answered')
  t.strictSame(output, { permitted: true, sent: 5, received: 5, times: [0.112, 0.099, 0.096, 0.095, 0.098], ttl: 61, notices: [], line: 9 })
  t.match(recordedText('ping-answered.txt').split('\n')[output.line! - 1], /packets transmitted/)
  t.match(read('ipv6'), { sent: 5, received: 5, ttl: 64 })
  t.match(read('slow'), { sent: 5, received: 4, times: [0.104, 103, 293, 480] })
  t.end()
})

t.test('silence is a result', t => {
  t.match(read('partly'), { sent: 5, received: 2, notices: [] })
  t.match(read('silent'), { permitted: true, sent: 5, received: 0, times: [], ttl: null, notices: [] })
  t.end()
})

t.test('who said what instead of a reply is counted', t => {
  const expected = {
    unreachable: [{ reason: 'Destination Host Unreachable', count: 4 }],
    filtered: [{ reason: 'Packet filtered', count: 4 }],
    expired: [{ reason: 'Time to live exceeded', count: 5 }],
    absent: [{ ip: '10.244.0.50', reason: 'Destination Host Unreachable', count: 5 }],
    'prohibited-by-host': [{ reason: 'Destination Host Prohibited', count: 5 }]
  }
  for (const [recording, notices] of Object.entries(expected)) t.match(read(recording), { sent: 5, received: 0, notices }, recording)
  const both = parsePing(recordedText('ping-rejected-here.txt'), recordedText('ping-rejected-here.stderr.txt'))
  t.strictSame(both.notices, [{ ip: '10.244.0.50', reason: 'Packet filtered', count: 5 }], 'what both streams say counts once')
  t.end()
})

t.test('that nothing could be sent is a result', t => {
  t.match(failed('no-way'), { permitted: true, sent: 0, notices: [{ ip: null, reason: 'Network is unreachable', count: 1 }], line: null })
  t.match(failed('not-permitted'), { permitted: false, sent: 0, notices: [] })
  for (const recording of ['broadcast', 'multicast']) t.match(failed(recording), { sent: 0, notices: [{ ip: null, reason: 'Address of many hosts' }] })
  t.end()
})

t.test('a redirect and a second reply to one packet are no losses', t => {
  const text = recordedText('ping-answered.txt')
  const [first] = text.split('\n').slice(1)
  const doubled = text.replace(first!, `From 10.244.0.1 icmp_seq=1 Redirect Host(New nexthop: 10.244.0.9)\n${first}\n${first} (DUP!)`)
  t.match(parsePing(doubled.replace('5 received,', '5 received, +1 duplicates,'), ''), { sent: 5, received: 5, notices: [] })
  t.end()
})

t.test('busybox says the same in other words', t => {
  t.match(read('busybox-answered'), { sent: 5, received: 5, times: [0.116, 3.324, 0.117, 0.111, 0.113], ttl: 61 })
  t.match(read('busybox-partly'), { sent: 5, received: 2 })
  t.match(read('busybox-silent'), { sent: 5, received: 0 })
  t.match(parsePing('', 'ping: permission denied (are you root?)\n'), { permitted: false })
  t.end()
})

t.test('what does not add up is unreadable', t => {
  const cut = recordedText('ping-answered.txt').split('\n').slice(0, 4).join('\n')
  const short = recordedText('ping-answered.txt').replace(/^64 bytes.*\n/m, '')
  for (const text of ['', cut, short]) t.throws(() => parsePing(text, ''), { code: 'EPH_OUTPUT_UNREADABLE' }, JSON.stringify(text.slice(0, 40)))
  t.throws(() => parsePing('', 'ping: unknown iana'), { code: 'EPH_OUTPUT_UNREADABLE' })
  t.end()
})

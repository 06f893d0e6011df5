import t from 'tap'
import { parseTraceroute } from '#analysis/traceroute.ts'
import { recordedText } from '../support/recorded.ts'

const read = (name: string) => parseTraceroute(recordedText(`traceroute-${name}.txt`), '')
const path = (name: string) => read(name).hops.map(({ answers: [first] }) => first?.ip ?? '*')
const lastOf = (name: string) => read(name).hops.at(-1)

t.test('each hop has who answered, how long it took, and its line', t => {
  const { permitted, failure, hops } = read('udp')
  t.same({ permitted, failure }, { permitted: true, failure: null })
  t.strictSame(hops.map(({ hop }) => hop), [1, 2, 3, 4])
  t.strictSame(hops[0], { hop: 1, answers: [{ ip: '10.244.0.1', ms: 0.073, mark: null }], line: 2 })
  t.same(path('icmp'), path('udp'))
  t.same(path('tcp'), path('udp'))
  t.same(path('ipv6'), ['::1'])
  t.end()
})

t.test('silence is a result', t => {
  t.match(path('quiet-router')[1], '*')
  const { hops } = read('ends')
  t.equal(hops.length, 30)
  t.strictSame(hops.at(-1), { hop: 30, answers: [{ ip: null, ms: null, mark: null }], line: 31 })
  t.end()
})

t.test('what a router says instead of passing on is a mark', t => {
  t.match(lastOf('unreachable'), { hop: 3, answers: [{ mark: 'H' }] })
  t.match(lastOf('prohibited'), { hop: 3, answers: [{ mark: 'X' }] })
  t.match(lastOf('udp-rejected-by-host'), { hop: 4, answers: [{ ip: '198.51.100.138', mark: 'X' }] })
  t.match(lastOf('absent'), { hop: 17, answers: [{ ip: '10.244.0.50', mark: 'H' }] }, 'the kernel of the pod found no neighbour')
  t.end()
})

t.test('an address is written once for several answers of it; the kernel here has none', t => {
  t.match(lastOf('mtu-told')!.answers, [{ ip: '198.51.100.134', ms: Number, mark: 'F-1400' }])
  t.match(lastOf('mtu-device')!.answers, [{ ip: null, ms: Number, mark: 'F-1500' }])
  t.match(lastOf('mtu-whole')!.answers, [{ ip: '198.51.100.138', ms: Number, mark: null }])
  t.match(lastOf('mtu-lost')!.answers, [{ ip: null, ms: null, mark: null }])
  t.same(lastOf('first-hop')!.answers.map(({ ip }) => ip), Array(4).fill('10.244.0.1'))
  const three = ' 4  *  0.013 ms !F-1500 *  0.016 ms !F-1500 *  0.017 ms !F-1500\n'
  t.same(parseTraceroute(three, '').hops[0]!.answers.map(({ ip, mark }) => [ip, mark]), Array(3).fill([null, 'F-1500']))
  const two = parseTraceroute(' 3  198.51.100.134  0.1 ms 198.51.100.138  0.2 ms  0.3 ms *\n', '').hops[0]!
  t.same(two.answers.map(({ ip, ms }) => [ip, ms]), [['198.51.100.134', 0.1], ['198.51.100.138', 0.2], ['198.51.100.138', 0.3], [null, null]])
  t.end()
})

t.test('that nothing could be sent is a result', t => {
  const failed = (name: string) => parseTraceroute(recordedText(`traceroute-${name}.txt`), recordedText(`traceroute-${name}.stderr.txt`))
  t.strictSame(failed('no-way'), { permitted: true, failure: 'Network is unreachable', hops: [] })
  t.strictSame(failed('forbidden-here'), { permitted: true, failure: 'Operation not permitted', hops: [] })
  t.strictSame(parseTraceroute('', recordedText('traceroute-not-permitted.stderr.txt')), { permitted: false, failure: null, hops: [] })
  t.end()
})

t.test('busybox says the same', t => {
  t.same(path('busybox'), path('udp'))
  t.match(lastOf('busybox-unreachable'), { answers: [{ ip: '198.51.100.134', mark: 'H' }] })
  t.same(path('busybox-ends').slice(3), ['*', '*', '*', '*', '*'])
  t.end()
})

t.test('what is no trace is unreadable, and no result', t => {
  const cut = recordedText('traceroute-udp.txt').slice(0, -4)
  for (const text of ['', 'traceroute to 10.0.0.1 (10.0.0.1), 30 hops max, 60 byte packets\n', ' 1  what is this\n', cut]) {
    t.throws(() => parseTraceroute(text, ''), { code: 'EPH_OUTPUT_UNREADABLE' }, JSON.stringify(text.slice(0, 60)))
  }
  t.throws(() => parseTraceroute('', 'Cannot handle "host" cmdline arg'), { code: 'EPH_OUTPUT_UNREADABLE' })
  t.end()
})

import t from 'tap'
import { tracePath } from '#analysis/trace-path.ts'
import { parseTraceroute } from '#analysis/traceroute.ts'
import { recordedText } from '../support/recorded.ts'

const end = '198.51.100.138'
const nobody = '198.51.100.142'
const trace = (recordings: string[], destination = end) =>
  tracePath(recordings.map((recording, run) => ({ run, hops: parseTraceroute(recordedText(`traceroute-${recording}.txt`), '').hops })), destination, ['10.244.0.50'])

t.test('samples add up hop by hop, to the destination and no further', t => {
  const { reachedHop, hops, lossFromHop } = trace(['udp', 'again', 'icmp'])
  t.same([reachedHop, lossFromHop], [4, null])
  t.strictSame(hops.map(({ hop, ips, sent, answered }) => [hop, ips, sent, answered]), [
    [1, ['10.244.0.1'], 3, 3], [2, ['198.51.100.130'], 3, 3], [3, ['198.51.100.134'], 3, 3], [4, [end], 3, 3]
  ])
  t.match(hops[0], { times: { minMs: 0.073, maxMs: 0.084 } })
  t.end()
})

t.test('loss counts from the hop on from which it goes on to the destination', t => {
  t.equal(trace(['loss-1', 'loss-2', 'loss-3', 'loss-4']).lossFromHop, 3, 'the destination did not answer one of four, hop 3 three of four')
  t.same(trace(['loss-1', 'again']).lossFromHop, 4, 'only the destination')
  t.end()
})

t.test('a router that is silent but passes everything on loses nothing', t => {
  const { hops, lossFromHop, reachedHop } = trace(['quiet-router', 'udp', 'again'])
  t.match(hops[1], { sent: 3, answered: 2 })
  t.same([lossFromHop, reachedHop], [null, 4])
  t.same(trace(['quiet-router', 'quiet-router']).hops[1], { hop: 2, ips: [], sent: 2, answered: 0, times: null })
  t.end()
})

t.test('loss does not begin where nobody ever answered', t => {
  const late = (text: string) => parseTraceroute(text, '').hops
  const samples = [late(` 1  *\n 2  *\n 3  ${end}  0.1 ms\n`), late(' 1  *\n 2  *\n 3  *\n')]
  t.match(tracePath(samples.map((hops, run) => ({ run, hops })), end, []), { reachedHop: 3, lossFromHop: 3 })
  t.end()
})

t.test('a path that ends is as long as it answers', t => {
  t.match(trace(['ends', 'ends']), { reachedHop: null, hops: { length: 3 }, refusals: [], loop: [], lossFromHop: null })
  t.end()
})

t.test('who refuses is a router, or the kernel of the pod under the pod\'s own address', t => {
  t.match(trace(['unreachable'], nobody), { reachedHop: null, refusals: [{ hop: 3, ip: '198.51.100.134', reason: 'host unreachable', line: 4 }] })
  t.match(trace(['absent'], '10.244.0.250'), { hops: { length: 0 }, refusals: [{ hop: 17, ip: null, reason: 'host unreachable', line: 18 }] })
  t.match(trace(['udp-rejected-by-host']), { reachedHop: 4, refusals: [] }, 'a destination that forbids has been reached')
  t.end()
})

t.test('circles are seen by the addresses that come again', t => {
  t.strictSame(trace(['loop'], nobody).loop, ['198.51.100.130', '198.51.100.134'])
  const twice = parseTraceroute(' 1  10.0.0.1  0.1 ms\n 2  10.0.0.1  0.1 ms\n 3  *\n', '').hops
  t.strictSame(tracePath([{ run: 0, hops: twice }], end, []).loop, [], 'a router that counts hops badly is none')
  t.end()
})

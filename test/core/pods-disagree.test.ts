import t from 'tap'
import type { Verdict } from '#core/finding.ts'
import { comparePods, type PodPlace } from '#core/pods-disagree.ts'

const place = (node: string | null, zone: string | null = null, revision: string | null = null): PodPlace => ({ node, zone, revision })
const pods = (...ends: [Verdict | null, PodPlace][]) => ends.map(([verdict, where], nth) => ({ pod: `web-${nth}`, verdict, ...where }))

const cases: Record<string, { pods: ReturnType<typeof pods>, data: object | null }> = {
  'none is there': { pods: [], data: null },
  'all pass': { pods: pods(['pass', place('a')], ['pass', place('b')]), data: null },
  'all fail': { pods: pods(['fail', place('a')], ['fail', place('b')]), data: null },
  'a warning is no failure': { pods: pods(['pass', place('a')], ['warn', place('b')]), data: null },
  'one fails and nobody else was measured': { pods: pods(['fail', place('a')], [null, place('b')]), data: null },
  'one fails and the other came to no conclusion': { pods: pods(['fail', place('a')], ['inconclusive', place('b')]), data: null },
  'one of two on the same node': { pods: pods(['fail', place('a')], ['pass', place('a')]), data: { by: 'none', value: null, failing: 1, of: 2 } },
  'all on one node and no other there': {
    pods: pods(['fail', place('a')], ['fail', place('a')], ['pass', place('b')], ['warn', place('c')]), data: { by: 'node', value: 'a', failing: 2, of: 4 }
  },
  'all on one node, and one that passes': { pods: pods(['fail', place('a')], ['fail', place('a')], ['pass', place('a')]), data: { by: 'none', value: null, failing: 2, of: 3 } },
  'two nodes of one zone': {
    pods: pods(['fail', place('a', 'z1')], ['fail', place('b', 'z1')], ['pass', place('c', 'z2')]), data: { by: 'zone', value: 'z1', failing: 2, of: 3 }
  },
  'a revision over two zones': {
    pods: pods(['fail', place('a', 'z1', 'new')], ['fail', place('b', 'z2', 'new')], ['pass', place('a', 'z1', 'old')], ['pass', place('b', 'z2', 'old')]),
    data: { by: 'revision', value: 'new', failing: 2, of: 4 }
  },
  'places that nobody knows are not shared': {
    pods: pods(['fail', place(null)], ['fail', place(null)], ['pass', place('c')]), data: { by: 'none', value: null, failing: 2, of: 3 }
  },
  'who has no clear answer is not counted, and takes no side': {
    pods: pods(['fail', place('a')], ['pass', place('b')], ['inconclusive', place('a')], [null, place('a')]), data: { by: 'node', value: 'a', failing: 1, of: 2 }
  }
}

for (const [what, { pods, data }] of Object.entries(cases)) {
  t.test(what, async t => {
    const found = comparePods('tcp-connect', pods)
    if (data === null) return t.equal(found, null)
    t.strictSame(found!.data, data)
    t.match(found, { code: 'PODS_DISAGREE', severity: 'info', diagnostic: 'tcp-connect', evidence: [] })
    t.strictSame(found!.pods, pods.filter(({ verdict }) => verdict === 'fail').map(({ pod }) => pod))
    t.equal(found!.count, found!.pods.length)
  })
}

t.test('the most telling thing decides, and the message says all', async t => {
  const found = comparePods('ping', pods(['fail', place('a', 'z', 'new')], ['pass', place('b', 'z', 'old')]))
  t.match(found, { data: { by: 'node', value: 'a' }, message: '1 of 2 pods fail; they share node a and revision new' })
  t.match(comparePods('ping', pods(['fail', place('a')], ['pass', place('a')])), { message: /they share nothing that tells them from the others/ })
})

import { t } from 'tap'
import type { PodSummary } from '#core/target.ts'
import { choosePods } from '../../src/kubernetes/choose.ts'
import { summarizePod } from '../../src/kubernetes/pod-summary.ts'
import { running } from './recorded-pods.ts'

const template = summarizePod(running())
const pod = (name: string, rest: Partial<PodSummary> = {}): PodSummary => ({ ...template, name, ...rest })
const names = (pods: PodSummary[], max: number) => choosePods(pods, max).pods.map(({ name }) => name)

t.test('ready pods come first, then running ones, then the rest', async t => {
  const pods = [
    pod('a', { deleting: true }), pod('b', { ready: false, phase: 'Pending' }), pod('c', { ready: false }), pod('d')
  ]
  t.same(names(pods, 4), ['d', 'c', 'b', 'a'])
})

t.test('chosen pods are spread over nodes and revisions', async t => {
  const pods = [
    pod('a', { node: 'n1', revision: 'old' }), pod('b', { node: 'n1', revision: 'new' }), pod('c', { node: 'n2', revision: 'old' }),
    pod('d', { node: 'n2', revision: 'new' }), pod('e', { node: 'n3', revision: 'old' })
  ]
  t.same(names(pods, 2), ['a', 'd'])
  t.same(names(pods, 3), ['a', 'd', 'e'])
  t.same(names(pods, 4), ['a', 'd', 'e', 'b'])
})

t.test('the same pods give the same choice, whatever their order', async t => {
  const pods = ['a', 'b', 'c', 'd', 'e'].map((name, n) => pod(name, { node: `n${n % 2}` }))
  t.same(names(pods.toReversed(), 3), names(pods, 3))
})

t.test('finished pods count only where there is nothing else', async t => {
  const finished = ['x', 'y', 'z'].map(name => pod(name, { phase: 'Failed', ready: false }))
  t.match(choosePods([...finished, pod('a')], 3), { matched: 1, pods: [{ name: 'a' }], rule: 'the only pod' })
  t.match(choosePods(finished, 2), { matched: 3, pods: [{ name: 'x' }, { name: 'y' }] })
})

t.test('the rule says in words what was done', async t => {
  const pods = ['a', 'b', 'c'].map(name => pod(name))
  t.equal(choosePods(pods, 3).rule, 'all 3 pods')
  t.equal(choosePods(pods, 2).rule, '2 of 3 pods: ready ones first, spread over nodes, then revisions, then by name')
})

import { mock } from 'node:test'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import { right } from '#core/principal.ts'
import { whileAllowed } from '#jobs/watch-rights.ts'
import { caller, createFakePorts } from '../support/fake-ports.ts'

const needed = [right('get', 'jobs', 'shop')]
const settle = async () => { for (let turn = 0; turn < 20; turn++) await Promise.resolve() }

/** One item, then silence. */
async function * silent (signal: AbortSignal): AsyncGenerator<string> {
  yield 'first'
  await new Promise<void>(resolve => { signal.addEventListener('abort', () => { resolve() }) })
}

t.beforeEach(() => {
  mock.timers.enable({ apis: ['setInterval', 'Date'] })
  mock.method(performance, 'now', () => Date.now())
})
t.afterEach(() => { mock.reset() })

async function opened () {
  const { context, cluster } = createFakePorts(new Map())
  const stream = whileAllowed(context, caller, needed, silent)[Symbol.asyncIterator]()
  await stream.next()
  const end = stream.next()
  end.catch(() => {})
  await settle()
  return { context, cluster, end }
}

t.test('a right that is taken back ends a stream in which nothing flows', async t => {
  const { cluster, end } = await opened()
  mock.timers.tick(5000)
  await settle()
  t.equal(cluster.freshReviews, 1, 'asked past the cache')
  cluster.denied.add('get jobs shop')
  mock.timers.tick(5000)
  await t.rejects(end, { code: 'EPH_FORBIDDEN' })
})

t.test('a cluster that does not answer for a moment ends nothing, one that stays away does', async t => {
  const { context, end } = await opened()
  const { demand } = context.authority
  const away = async () => { throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot reach the Kubernetes API') }
  context.authority.demand = away
  mock.timers.tick(5000)
  await settle()
  context.authority.demand = demand
  mock.timers.tick(5000)
  await settle()
  context.authority.demand = away
  for (let seconds = 0; seconds < 15; seconds += 5) {
    mock.timers.tick(5000)
    await settle()
  }
  await t.rejects(end, { code: 'EPH_CLUSTER_UNAVAILABLE' })
})

t.test('a stream that ends by itself is asked about no longer', async t => {
  const { context, cluster } = createFakePorts(new Map())
  const items: number[] = []
  for await (const item of whileAllowed(context, caller, needed, async function * () { yield 1; yield 2 })) items.push(item)
  t.same(items, [1, 2])
  mock.timers.tick(60_000)
  t.equal(cluster.freshReviews, 0)
})

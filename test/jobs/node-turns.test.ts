import t from 'tap'
import { createNodeTurns } from '#jobs/node-turns.ts'
import { lookup } from '../support/drive.ts'
import { createFakePorts } from '../support/fake-ports.ts'
import { until } from '../support/until.ts'

const ports = () => createFakePorts(new Map([['lookup', lookup()]]))

/** Turns of two processes on one database, and what waits inside of them. */
function two (width: number) {
  const { database: { database: { leases }, leases: held }, context: { log }, logged } = ports()
  const processes = [createNodeTurns({ leases, width, log }), createNodeTurns({ leases, width, log })]
  const inside: { node: string, leave (): void }[] = []
  const enter = (nth: number, node = 'n-1', signal?: AbortSignal) => processes[nth % 2]!.through(node, () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    inside.push({ node, leave: resolve })
    return promise
  }, signal)
  return { enter, inside, held, leases, logged }
}

t.test('as many as there are places work at a time on a node, over all processes', async t => {
  const { enter, inside, held } = two(2)
  const work = Array.from({ length: 6 }, (_, nth) => enter(nth))
  work.push(enter(0, 'n-2'), enter(1, ''))
  await until(() => inside.length === 4)
  t.equal(inside.filter(({ node }) => node === 'n-1').length, 2)
  for (let done = 0; done < 8; done++) {
    await until(() => inside.length > 0)
    t.ok(inside.filter(({ node }) => node === 'n-1').length <= 2)
    inside.shift()!.leave()
  }
  await Promise.all(work)
  await until(() => held.size === 0)
})

t.test('a place is given back where the work fails, and not waited for where the signal says so', async t => {
  const { enter, inside, held } = two(1)
  const first = enter(0)
  await until(() => inside.length === 1)
  const leaving = new AbortController()
  const second = enter(1, 'n-1', leaving.signal)
  leaving.abort(new Error('cancelled'))
  await t.rejects(second)
  inside[0]!.leave()
  await first
  const { context: { database: { leases }, log } } = ports()
  const turns = createNodeTurns({ leases, width: 1, log })
  await t.rejects(turns.through('n-1', () => Promise.reject(new Error('refused'))), { message: 'refused' })
  t.equal(await turns.through('n-1', async () => 'free again'), 'free again')
  await until(() => held.size === 0)
})

t.test('a place that cannot be given back runs out by itself, and nobody is told but the log', async t => {
  const { database, context: { log, database: { leases } }, logged } = ports()
  const turns = createNodeTurns({ leases, width: 1, log })
  t.equal(await turns.through('n-1', async () => { database.state.isDown = true; return 'done' }), 'done')
  await until(() => logged.length > 0)
  t.match(logged, [{ level: 'warn', text: /Cannot give back a place/ }])
  await t.rejects(turns.through('n-1', async () => 'never'), { code: 'EPH_DATABASE_UNAVAILABLE' })
})

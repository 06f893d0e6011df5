import t, { type Test } from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { Problem } from '#core/errors.ts'
import { containerNameOf } from '#core/target.ts'
import { createSessionTending } from '#jobs/tend-sessions.ts'
import { drive } from '../support/drive.ts'
import { digest } from '../support/fake-ports.ts'

/** A session that was used by a job two hours ago. */
async function unused (t: Test) {
  const engine = drive(t)
  const { pod: { session } } = await engine.run()
  const row = engine.database.sessions.get(session!.id)!
  row.lastUsedAt = new Date(Date.now() - 2 * 3_600_000).toISOString()
  return { ...engine, row, tend: createSessionTending(engine.context) }
}

t.test('sessions that have ended while nobody used them are closed, with the reason', async t => {
  const ways: Record<string, [(engine: Awaited<ReturnType<typeof unused>>) => void, string]> = {
    'the holder has left': [({ cluster }) => { Object.assign(cluster.pods[0]!.ephemeral[0]!, { running: false, exitReason: 'Completed' }) }, 'the container ended: Completed'],
    'the pod is gone': [({ cluster }) => { cluster.pods = [] }, 'the pod is gone'],
    'the pod was replaced': [({ cluster }) => { cluster.pods[0]!.uid = 'another' }, 'the pod is gone']
  }
  for (const [name, [end, reason]] of Object.entries(ways)) {
    const engine = await unused(t)
    await engine.tend()
    t.match(engine.row, { state: 'open' }, 'while it lives it is left alone')
    end(engine)
    await engine.tend()
    t.match(engine.row, { state: 'closed', closedReason: reason }, name)
  }
})

t.test('one that was used a moment ago is not asked for', async t => {
  const { tend, row, context } = await unused(t)
  row.lastUsedAt = new Date().toISOString()
  context.reader.pod = async () => { throw new Error('asked') }
  await tend()
  t.equal(row.state, 'open')
})

t.test('a row without a container is closed, unless somebody is just injecting', async t => {
  const { tend, database, cluster } = await unused(t)
  const id = uuidv7()
  await database.database.sessions.open({
    id,
    pod: cluster.pods[0]!,
    ephemeralContainer: containerNameOf(id),
    image: 'toolbox',
    imageDigest: digest('a'),
    profile: 'netraw',
    purpose: 'diagnostics',
    sharedContainer: null,
    sharesProcesses: false,
    openedBy: 'bob'
  })
  const row = database.sessions.get(id)!
  row.lastUsedAt = new Date(0).toISOString()
  database.leases.set(`inject:${cluster.pods[0]!.uid}`, 'another worker')
  await tend()
  t.equal(row.state, 'opening')
  database.leases.clear()
  await tend()
  t.match(row, { state: 'closed', closedReason: 'never injected' })
  t.equal(database.leases.size, 0)
})

t.test('a pod that may not be read keeps the others from nothing', async t => {
  const { tend, row, context, cluster, logged } = await unused(t)
  const { pod } = context.reader
  context.reader.pod = async () => { throw new Problem('EPH_ACCOUNT_FORBIDDEN', 'Cannot read the pod') }
  await tend()
  t.equal(row.state, 'open')
  t.ok(logged.some(({ text }) => text === 'Cannot tell whether a session lives'))
  context.reader.pod = pod
  cluster.pods = []
  await tend()
  t.equal(row.state, 'closed')
})

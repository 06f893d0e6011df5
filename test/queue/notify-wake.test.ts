import t from 'tap'
import { createNotifyWake } from '../../src/queue/notify-wake.ts'
import { until } from '../support/until.ts'
import { notifyBackend, reached } from '../support/wake-backends.ts'

t.test('a ring wakes the listeners of all processes, each once', async t => {
  const { open } = await notifyBackend(t)
  const wakes = [open(t), open(t), open(t)]
  await Promise.all(wakes.map(reached))
  const rings = [0, 0, 0, 0]
  for (const [n, wake] of [...wakes, wakes[0]!].entries()) await wake.listen(() => { rings[n]!++ })
  for (let n = 1; n <= 10; n++) {
    await wakes[0]!.ring()
    await until(() => rings.every(count => count >= n))
    t.same(rings, [n, n, n, n])
  }
})

t.test('a ring wakes the listener of its own process while Postgres is gone', async t => {
  const { proxy, open } = await notifyBackend(t)
  const wake = open(t)
  await reached(wake)
  let rings = 0
  await wake.listen(() => { rings++ })
  proxy.refuse(true)
  proxy.cut()
  await until(() => wake.check().then(() => false, () => true))
  rings = 0
  await wake.ring()
  t.equal(rings, 1)
})

t.test('a connection that comes back wakes whoever may have missed a ring', async t => {
  const { proxy, open } = await notifyBackend(t)
  const wake = open(t)
  let rings = 0
  await wake.listen(() => { rings++ })
  await reached(wake)
  rings = 0
  proxy.cut()
  await until(() => rings > 0)
  t.pass('woken')
})

t.test('whoever listens is woken by a ring that comes right after', async t => {
  const { proxy, open, openDirect } = await notifyBackend(t)
  const [slow, ringer] = [open(t), openDirect(t)]
  await Promise.all([slow, ringer].map(reached))
  proxy.delay(200)
  let rings = 0
  await slow.listen(() => { rings++ })
  await ringer.ring()
  await until(() => rings > 0)
  t.pass('woken')
})

t.test('the same callback may listen twice and stop once', async t => {
  const stopped: string[] = []
  const wake = createNotifyWake({ listen: channel => () => { stopped.push(channel) }, notify: async () => true })
  let rings = 0
  const rung = () => { rings++ }
  const stop = await wake.listen(rung)
  await wake.listen(rung)
  await wake.ring()
  t.equal(rings, 2)
  await stop()
  await stop()
  await wake.ring()
  t.equal(rings, 3)
  await wake.close()
  t.equal(stopped.length, 2)
})

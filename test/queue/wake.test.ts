import t, { type Test } from 'tap'
import type { Wake } from '#core/ports/wake.ts'
import { until } from '../support/until.ts'
import { freshName, reached, wakeBackends, type WakeBackend } from '../support/wake-backends.ts'

const unavailable = { code: 'EPH_QUEUE_UNAVAILABLE', status: 503, retryable: 'later' }

/** A listener that counts, once its wake reaches the server. */
async function count (wake: Wake) {
  const counter = { rings: 0, stop: async () => {} }
  counter.stop = await wake.listen(() => { counter.rings++ })
  await reached(wake)
  // A new connection is told that it may have missed some.
  counter.rings = 0
  return counter
}

async function comesBack (t: Test, ringer: Wake, counter: { rings: number }): Promise<void> {
  await until(() => ringer.ring().then(() => true, () => false))
  const before = counter.rings
  await until(async () => {
    await ringer.ring().catch(() => {}) // lost once more; the next one tells
    return counter.rings > before
  })
  t.pass('rings wake again')
}

for (const [name, start] of Object.entries(wakeBackends)) {
  t.test(name, async t => {
    const backend: WakeBackend = await start(t)

    t.test('a ring wakes a listener of another process, and of its own', async t => {
      const [one, other] = [freshName(), freshName()]
      const listener = await count(backend.open(t, one))
      const ringer = backend.open(t, one)
      await reached(ringer)
      await ringer.ring()
      await until(() => listener.rings === 1)
      const both = backend.open(t, other)
      const own = await count(both)
      await both.ring()
      await until(() => own.rings === 1)
    })

    t.test('a ring is never lost: after the last one somebody looks', async t => {
      const name = freshName()
      let made = 0
      let seen = 0
      for (let n = 0; n < 3; n++) {
        const wake = backend.open(t, name)
        await wake.listen(() => { seen = made })
        await reached(wake)
      }
      const ringer = backend.open(t, name)
      await reached(ringer)
      for (let round = 0; round < 20; round++) {
        await Promise.all(Array.from({ length: 50 }, () => {
          made++
          return ringer.ring()
        }))
        // What comes last finds the others being looked after.
        made++
        await ringer.ring()
        await until(() => seen === made)
      }
      t.equal(seen, 1020)
    })

    t.test('a listener that was stopped or closed hears nothing more, and another does', async t => {
      const name = freshName()
      const [stopped, closed, listening] = [backend.open(t, name), backend.open(t, name), backend.open(t, name)]
      const counters = [await count(stopped), await count(closed), await count(listening)]
      await counters[0]!.stop()
      await closed.close()
      const before = counters.map(({ rings }) => rings)
      for (let n = 1; n <= 10; n++) {
        await stopped.ring()
        await until(() => counters[2]!.rings === before[2]! + n)
      }
      t.same(counters.slice(0, 2).map(({ rings }) => rings), before.slice(0, 2))
      await t.rejects(closed.ring(), unavailable)
      await t.rejects(closed.listen(() => {}), unavailable)
      await closed.close()
    })

    t.test('a ring that meets a listener on its way out wakes another', async t => {
      const name = freshName()
      const ringer = backend.open(t, name)
      const leaving = backend.open(t, name)
      const staying = await count(backend.open(t, name))
      await reached(ringer)
      for (let n = 0; n < 20; n++) {
        const counter = await count(leaving)
        const before = staying.rings
        const stop = counter.stop()
        const heard = counter.rings
        await Promise.all([stop, ringer.ring()])
        await until(() => staying.rings + counter.rings > before + heard)
      }
      t.pass('20 of 20')
    })

    t.test('a connection that was cut comes back by itself', async t => {
      const name = freshName()
      const listener = await count(backend.open(t, name))
      const ringer = backend.open(t, name)
      await reached(ringer)
      backend.proxy.cut()
      await comesBack(t, ringer, listener)
    })

    t.test('a server that is gone rejects rings and checks in bounded time, and is met again', async t => {
      const name = freshName()
      const listener = await count(backend.open(t, name))
      const ringer = backend.open(t, name)
      await reached(ringer)
      backend.proxy.refuse(true)
      backend.proxy.cut()
      t.teardown(() => backend.proxy.refuse(false))
      for (let n = 0; n < 3; n++) {
        const since = Date.now()
        await t.rejects(ringer.ring(), { ...unavailable, message: /^Cannot ring for work: / })
        await t.rejects(ringer.check(), { ...unavailable, message: /^Cannot reach the queue: / })
        t.ok(Date.now() - since < 10_000, `${Date.now() - since} ms`)
      }
      backend.proxy.refuse(false)
      await comesBack(t, ringer, listener)
    })

    t.test('a server that swallows everything rejects rings and checks in bounded time', async t => {
      const ringer = backend.open(t, freshName())
      await reached(ringer)
      backend.proxy.blackhole()
      t.teardown(() => {
        backend.proxy.heal()
        backend.proxy.cut()
      })
      const since = Date.now()
      await t.rejects(ringer.ring(), unavailable)
      await t.rejects(ringer.check(), unavailable)
      t.ok(Date.now() - since < 10_000, `${Date.now() - since} ms`)
    })

    t.test('closing ends in bounded time while the server is gone', async t => {
      const wake = backend.open(t, freshName())
      await count(wake)
      backend.proxy.refuse(true)
      backend.proxy.cut()
      t.teardown(() => backend.proxy.refuse(false))
      const since = Date.now()
      await wake.close()
      t.ok(Date.now() - since < 10_000, `${Date.now() - since} ms`)
    })
  })
}

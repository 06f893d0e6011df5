import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createBreaker } from '#core/breaker.ts'
import { until } from '../support/until.ts'

class Away extends Error {}

/** A dependency that a test takes away, and a breaker in front of it. */
function make (t: { teardown (close: () => void): void }) {
  const dependency = { isAway: false, calls: 0, probes: 0, atOnce: 0, mostAtOnce: 0, answer: async () => {} }
  const changes: unknown[] = []
  const breaker = createBreaker({
    isOutage: error => error instanceof Away,
    changed: why => { changes.push(why) },
    failuresInARow: 3,
    pauseMs: 10,
    async probe () {
      dependency.probes++
      dependency.mostAtOnce = Math.max(dependency.mostAtOnce, ++dependency.atOnce)
      await dependency.answer()
      dependency.atOnce--
      if (dependency.isAway) throw new Away('gone')
    }
  })
  t.teardown(() => { breaker.close() })
  const call = (error?: Error) => breaker.through(async () => {
    dependency.calls++
    if (error) throw error
    if (dependency.isAway) throw new Away('gone')
    return 'answer'
  }, why => new Error(`refused: ${(why as Error).message}`))
  return { dependency, breaker, changes, call }
}

t.test('after failures in a row calls are refused without being made, until a probe is answered', async t => {
  const { dependency, breaker, changes, call } = make(t)
  dependency.isAway = true
  for (let nth = 0; nth < 3; nth++) await t.rejects(call(), { message: 'gone' })
  t.ok(breaker.isOpen)
  for (let nth = 0; nth < 100; nth++) await t.rejects(call(), { message: 'refused: gone' })
  t.equal(dependency.calls, 3)
  await until(() => dependency.probes > 2)
  dependency.isAway = false
  await until(() => !breaker.isOpen)
  t.equal(await call(), 'answer')
  t.match(changes, [{ message: 'gone' }, null])
  const { probes } = dependency
  await delay(50)
  t.equal(dependency.probes, probes, 'one that answers is not probed')
})

t.test('an answer between failures starts the count anew, and an error that is an answer is one', async t => {
  const { dependency, breaker, call } = make(t)
  for (const answer of [undefined, new Error('404')]) {
    for (let nth = 0; nth < 10; nth++) {
      dependency.isAway = true
      for (let nth = 0; nth < 2; nth++) await t.rejects(call(), { message: 'gone' })
      dependency.isAway = false
      if (answer) await t.rejects(call(answer), answer)
      else await call()
    }
  }
  for (let nth = 0; nth < 10; nth++) await t.rejects(call(new Error('403')), { message: '403' })
  t.notOk(breaker.isOpen)
})

t.test('one probe at a time, also for those who ask', async t => {
  const { dependency, breaker, call } = make(t)
  dependency.isAway = true
  dependency.answer = () => delay(30)
  await Promise.allSettled([call(), call(), call()])
  const asked = await Promise.allSettled(Array.from({ length: 20 }, () => breaker.check()))
  t.ok(asked.every(({ status }) => status === 'rejected'))
  await until(() => dependency.probes >= 3)
  t.equal(dependency.mostAtOnce, 1)
  dependency.isAway = false
  await until(() => !breaker.isOpen)
})

t.test('a call that was under way before and is answered closes it', async t => {
  const { dependency, breaker, call } = make(t)
  const late = Promise.withResolvers<string>()
  const slow = breaker.through(() => late.promise, () => new Error('refused'))
  dependency.isAway = true
  dependency.answer = () => new Promise(() => {})
  await Promise.allSettled([call(), call(), call()])
  t.ok(breaker.isOpen)
  late.resolve('late')
  t.equal(await slow, 'late')
  t.notOk(breaker.isOpen)
})

t.test('closed for good it probes no more', async t => {
  const { dependency, breaker, call } = make(t)
  dependency.isAway = true
  await Promise.allSettled([call(), call(), call()])
  await until(() => dependency.probes > 1)
  breaker.close()
  await delay(20)
  const { probes } = dependency
  await delay(50)
  t.equal(dependency.probes, probes)
})

import { Redis } from 'ioredis'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { createRedisWake } from '../../src/queue/redis-wake.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { freshName, reached, redisBackend } from '../support/wake-backends.ts'

/** What a wake has logged, by level and text. */
function recordLog () {
  const lines: string[] = []
  const write = (level: string) => (fields: Record<string, unknown>, text: string) => { lines.push(`${level} ${text} ${JSON.stringify(fields)}`) }
  return { lines, log: { info: write('info'), warn: write('warn') } }
}

t.test('a ring wakes one of many listeners', async t => {
  const { open } = await redisBackend(t)
  let rings = 0
  for (let n = 0; n < 3; n++) {
    const wake = open(t)
    await wake.listen(() => { rings++ })
    await reached(wake)
  }
  const ringer = open(t)
  for (let n = 1; n <= 30; n++) {
    await ringer.ring()
    await until(() => rings >= n)
    t.equal(rings, n)
  }
})

t.test('a ring wakes again while another is just being taken', async t => {
  const { proxy, open, openDirect } = await redisBackend(t)
  const [slow, ringer] = [open(t), openDirect(t)]
  let rings = 0
  const again: Promise<void>[] = []
  await slow.listen(() => {
    rings++
    if (rings === 1) again.push(ringer.ring())
  })
  await reached(slow)
  // So that Redis hears of the second ring long before it hears that the first was taken.
  proxy.delay(200)
  await ringer.ring()
  await until(() => rings === 2)
  await Promise.all(again)
})

t.test('Redis keeps nothing of a ring that was heard, and little where nobody hears', async t => {
  const { url } = await startRedis(t)
  const redis = new Redis(url)
  t.teardown(() => redis.disconnect())
  const wake = createRedisWake({ url, prefix: 'kept' })
  t.teardown(() => wake.close())
  const waiting = () => redis.llen('kept:wake:wait')
  for (let n = 0; n < 100; n++) await wake.ring()
  t.equal(await waiting(), 32)
  const job = await redis.hgetall(`kept:wake:${await redis.lindex('kept:wake:wait', 0)}`)
  t.match(job, { name: 'ring', data: 'null' })

  let rings = 0
  await wake.listen(() => { rings++ })
  await until(async () => rings === 32 && await waiting() === 0 && await redis.llen('kept:wake:active') === 0)
  const kept = (await redis.keys('*')).map(key => key.replace('kept:wake:', ''))
  t.same(kept.filter(key => /^\d+/.test(key)), [], `of ${kept}`)
  t.notOk(kept.includes('completed') || kept.includes('failed'))
})

t.test('a Redis that was killed and started anew is met again, with one line for each', async t => {
  const server = await startRedis(t)
  const { lines, log } = recordLog()
  const wake = createRedisWake({ url: server.url, log })
  t.teardown(() => wake.close())
  let rings = 0
  await wake.listen(() => { rings++ })
  await wake.ring()
  await until(() => rings === 1)
  await server.stop()
  for (let n = 0; n < 3; n++) await t.rejects(wake.ring(), { code: 'EPH_QUEUE_UNAVAILABLE', message: /ECONNREFUSED/ })
  await server.start()
  await reached(wake)
  await wake.ring()
  await until(() => rings === 2)
  t.match(lines, [/^warn Cannot reach Redis: .*/, 'info Redis answers again {}'])
  t.equal(lines.length, 2)
})

t.test('a half-open connection is given up for a new one', async t => {
  const { proxy, open } = await redisBackend(t)
  const [listening, ringer] = [open(t), open(t)]
  let rings = 0
  await listening.listen(() => { rings++ })
  await Promise.all([reached(listening), reached(ringer)])
  proxy.blackhole()
  await t.rejects(ringer.ring(), { code: 'EPH_QUEUE_UNAVAILABLE' })
  proxy.heal()
  await reached(ringer)
  await ringer.ring()
  await until(() => rings > 0)
  t.pass('woken')
})

t.test('a Redis that is not there yet holds up nobody', async t => {
  const server = await startRedis(t)
  await server.stop()
  const wake = createRedisWake({ url: server.url })
  t.teardown(() => wake.close())
  let rings = 0
  await wake.listen(() => { rings++ })
  await t.rejects(wake.ring(), { code: 'EPH_QUEUE_UNAVAILABLE' })
  await server.start()
  await reached(wake)
  await wake.ring()
  await until(() => rings > 0)
  t.pass('woken')
})

t.test('a wrong password is told without being told', async t => {
  const server = await startRedis(t)
  const secret = 'hunter2-hunter2'
  const { lines, log } = recordLog()
  const wake = createRedisWake({ url: server.url.replace(server.password, secret), prefix: freshName(), log })
  t.teardown(() => wake.close())
  await wake.listen(() => {})
  const problem: unknown = await wake.check().catch((error: unknown) => error)
  t.match(problem, { code: 'EPH_QUEUE_UNAVAILABLE', message: /^Cannot reach the queue: .*WRONGPASS/ })
  await t.rejects(wake.ring(), { code: 'EPH_QUEUE_UNAVAILABLE' })
  t.equal(lines.length, 1)
  t.notMatch(inspect(problem, { depth: 9, showHidden: true }) + lines.join(), secret)
})

t.test('a Redis that refuses to take anything is asked calmly', async t => {
  const server = await startRedis(t)
  const admin = new Redis(server.url)
  t.teardown(() => admin.disconnect())
  const { lines, log } = recordLog()
  const wake = createRedisWake({ url: server.url, log })
  t.teardown(() => wake.close())
  let rings = 0
  await wake.listen(() => { rings++ })
  await reached(wake)
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await admin.info('stats'))?.[1])
  await admin.config('SET', 'maxmemory', '1')
  await t.rejects(wake.ring(), { code: 'EPH_QUEUE_UNAVAILABLE', message: /OOM/ })
  const before = await commands()
  await until(() => lines.length > 0)
  await sleep(3000)
  const asked = await commands() - before
  t.ok(asked < 100, `${asked} commands in 3 s`)
  t.equal(lines.length, 1)
  await admin.config('SET', 'maxmemory', '0')
  await wake.ring()
  await until(() => rings > 0)
})

import { Queue } from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import { createBreaker } from '#core/breaker.ts'
import type { Wake } from '#core/ports/wake.ts'
import { createOutageLog, type Log } from './outage-log.ts'
import { listenToRedis } from './redis-listener.ts'
import { unavailable } from './unavailable.ts'
import { within } from './within.ts'

export interface RedisWakeOptions {
  /** redis://[user]:password@host:port/number, or rediss:// for TLS. */
  url: string
  /** What the keys in Redis begin with. */
  prefix?: string
  log?: Log
  /** Called with the reason when Redis is taken for away, or for full, and with null when it takes rings again. */
  changed?: ((why: unknown) => void) | undefined
}

const name = 'wake'
const answerMs = 2000
const checkSeconds = 60
/** Rings that wait at the most: each wakes a listener, and where nobody listens they must not fill the memory of Redis. */
const mostWaiting = 32

const options: RedisOptions = {
  connectTimeout: 3000,
  retryStrategy: attempts => Math.min(50 * 2 ** attempts, 2000)
}
// A command that is not answered ends its connection, which may be half open.
const forRings: RedisOptions = { ...options, socketTimeout: answerMs, commandTimeout: answerMs, maxRetriesPerRequest: 1 }
// Longer than BullMQ waits for a ring; null is what it asks for.
const forListeners: RedisOptions = { ...options, socketTimeout: 5000, maxRetriesPerRequest: null }

/** A queue of BullMQ whose jobs say only "wake up": each wakes one listener of all processes. */
export function createRedisWake ({ url, prefix = 'ephemera', log, changed }: RedisWakeOptions): Wake {
  const outage = createOutageLog(log)
  const stops = new Set<() => Promise<void>>()
  let isClosed = false
  /** Why the connection is lost: commands that wait for it tell only that they waited. */
  let lost: Error | null = null

  function connect (options: RedisOptions): Redis {
    const redis = new Redis(url, options)
    redis.on('error', outage.failed)
    redis.on('ready', outage.worked)
    return redis
  }

  const redis = connect(forRings)
  redis.on('error', error => { lost = error })
  redis.on('ready', () => { lost = null })
  // Not made to wait: what it waits for while Redis is gone at the start, it would wait for in vain for ever.
  const queue = new Queue(name, { connection: redis, prefix, skipVersionCheck: true, skipWaitingForReady: true, skipMetasUpdate: true })
  queue.on('error', outage.failed)

  async function add (): Promise<void> {
    // One that waits now will be taken later than now, and whoever takes it looks after that.
    if (await queue.getWaitingCount() >= mostWaiting) return
    await queue.add('ring', null, { removeOnComplete: true, removeOnFail: true })
  }

  async function ask (doing: string, question: () => Promise<unknown>): Promise<void> {
    if (isClosed) throw unavailable(doing, new Error('the queue is closed'))
    try {
      await within(answerMs, question())
    } catch (error) {
      throw unavailable(doing, lost ?? error)
    }
  }

  // Written, since one that is full or has become a replica answers all that is only asked.
  const probe = () => ask('reach the queue', () => redis.set(`${prefix}:check`, 1, 'EX', checkSeconds))
  const breaker = createBreaker({ isOutage: () => !isClosed, probe, changed })

  return {
    ring: () => breaker.through(() => ask('ring for work', add), why => unavailable('ring for work', (why as Error).cause)),

    async listen (rung) {
      if (isClosed) throw unavailable('listen for rings', new Error('the queue is closed'))
      const stop = listenToRedis({ queue: name, prefix, connection: connect(forListeners), rung, outage })
      stops.add(stop)
      return async () => {
        if (stops.delete(stop)) await stop()
      }
    },

    check: breaker.check,

    async close () {
      isClosed = true
      breaker.close()
      await Promise.all([...stops].map(stop => stop()))
      stops.clear()
      await queue.close()
      redis.disconnect()
    }
  }
}

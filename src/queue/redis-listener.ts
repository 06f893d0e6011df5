import { Worker } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { OutageLog } from './outage-log.ts'
import { within } from './within.ts'

export interface RedisListenerOptions {
  queue: string
  prefix: string
  /** Of this listener alone; ends with it. Its twin, which waits for rings, is made by BullMQ. */
  connection: Redis
  rung: () => void
  outage: OutageLog
}

/** BullMQ forgets to wake who waits when a waiting connection is lost at the wrong moment: then it is found so much later. */
const longestWaitSeconds = 1
const retryMs = 1000
const partingMs = 1000

/** Takes rings from the queue, one at a time; answers how to stop. */
export function listenToRedis ({ queue, prefix, connection, rung, outage }: RedisListenerOptions): () => Promise<void> {
  const token = randomUUID()
  const stopping = new AbortController()
  // Its own loop asks again at once whatever Redis answers, also while each answer is an error (out of memory, read only): hence ours.
  const worker = new Worker(queue, null, { connection, prefix, autorun: false, skipVersionCheck: true, drainDelay: longestWaitSeconds })
  worker.on('error', outage.failed)

  async function takeRing (): Promise<void> {
    const ring = await worker.getNextJob(token)
    if (!ring) return
    if (stopping.signal.aborted) {
      // For another listener: this one no longer looks.
      await ring.moveToWait(token)
      return
    }
    rung()
    await ring.moveToCompleted('', token, false)
    outage.worked()
  }

  async function takeRings (): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await takeRing()
      } catch (error) {
        if (stopping.signal.aborted) return
        outage.failed(error)
        await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {}) // stopped
      }
    }
  }

  const taking = takeRings()
  // Rings that a killed process had taken and not finished come back.
  worker.startStalledCheckTimer().catch(outage.failed)

  return async () => {
    stopping.abort()
    // By force: it would wait for a Redis that is gone.
    await worker.close(true)
    await within(partingMs, taking).catch(() => {}) // what waits for Redis ends with the connection
    connection.disconnect()
  }
}

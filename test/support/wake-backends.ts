import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Wake } from '#core/ports/wake.ts'
import { createNotifyWake } from '../../src/queue/notify-wake.ts'
import { createRedisWake } from '../../src/queue/redis-wake.ts'
import { createNotifications } from '../../src/storage/notifications.ts'
import { createFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { startPostgresServer } from './postgres-server.ts'
import { startRedis } from './redis.ts'

/** What one server wakes, reached through a proxy that breaks. */
export interface WakeBackend {
  proxy: FaultProxy
  /** As another process would open it; closed with the test. Calls with the same name meet. */
  open (t: Test, name?: string): Wake
}

const through = (url: string, { port }: FaultProxy): string => {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = `${port}`
  return changed.href
}

const addressOf = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) })

export async function redisBackend (t: Test): Promise<WakeBackend> {
  const { url } = await startRedis(t)
  const proxy = await createFaultProxy(t, addressOf(url))
  return {
    proxy,
    open (t, name = 'test') {
      const wake = createRedisWake({ url: through(url, proxy), prefix: name })
      t.teardown(() => wake.close())
      return wake
    }
  }
}

export async function notifyBackend (t: Test): Promise<WakeBackend> {
  const url = await startPostgresServer(t, '127.0.0.1')
  const proxy = await createFaultProxy(t, addressOf(url))
  return {
    proxy,
    open (t) {
      const notifications = createNotifications({ directUrl: through(url, proxy) })
      const wake = createNotifyWake(notifications)
      t.teardown(async () => {
        await wake.close()
        await notifications.close()
      })
      return wake
    }
  }
}

export const wakeBackends = { redis: redisBackend, notify: notifyBackend }

export const freshName = () => `test-${randomBytes(4).toString('hex')}`

export async function until (isTrue: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !await isTrue();) {
    if (Date.now() > end) throw new Error(`Waited for ${seconds} s`)
    await sleep(5)
  }
}

/** Resolves once the wake reaches its server. */
export const reached = (wake: Wake) => until(() => wake.check().then(() => true, () => false))

import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import type { Wake } from '#core/ports/wake.ts'
import { createNotifyWake } from '../../src/queue/notify-wake.ts'
import { createRedisWake } from '../../src/queue/redis-wake.ts'
import { createNotifications } from '../../src/storage/notifications.ts'
import { createFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { startPostgresServer } from './postgres-server.ts'
import { startRedis } from './redis.ts'
import { through } from './through.ts'
import { until } from './until.ts'

/** What one server wakes, reached through a proxy that breaks. */
export interface WakeBackend {
  proxy: FaultProxy
  /** As another process would open it; closed with the test. Calls with the same name meet. */
  open (t: Test, name?: string): Wake
  /** The same past the proxy. */
  openDirect (t: Test, name?: string): Wake
}

type Open = (t: Test, url: string, name: string) => Wake

async function backendOf (t: Test, url: string, open: Open): Promise<WakeBackend> {
  const { hostname, port } = new URL(url)
  const proxy = await createFaultProxy(t, { host: hostname, port: Number(port) })
  return {
    proxy,
    open: (t, name = 'test') => open(t, through(url, proxy), name),
    openDirect: (t, name = 'test') => open(t, url, name)
  }
}

const openRedis: Open = (t, url, prefix) => {
  const wake = createRedisWake({ url, prefix })
  t.teardown(() => wake.close())
  return wake
}

const openNotify: Open = (t, directUrl) => {
  const notifications = createNotifications({ directUrl })
  const wake = createNotifyWake(notifications)
  t.teardown(async () => {
    await wake.close()
    await notifications.close()
  })
  return wake
}

export const redisBackend = async (t: Test) => await backendOf(t, (await startRedis(t)).url, openRedis)
export const notifyBackend = async (t: Test) => await backendOf(t, await startPostgresServer(t, '127.0.0.1'), openNotify)

export const wakeBackends = { redis: redisBackend, notify: notifyBackend }

export const freshName = () => `test-${randomBytes(4).toString('hex')}`

/** Resolves once the wake reaches its server. */
export const reached = (wake: Wake) => until(() => wake.check().then(() => true, () => false))

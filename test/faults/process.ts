import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { createFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import { createHttpFaults, type HttpFaults, type HttpTarget } from '../support/http-faults.ts'
import { kubeconfigThrough } from '../support/kubeconfig-through.ts'
import { labEnvironment } from '../support/lab.ts'
import { freePort, startService, type Service } from '../support/service.ts'
import { through } from '../support/through.ts'
import type { Dependency } from './plan.ts'
import type { Servers } from './servers.ts'

const main = new URL('./service-main.ts', import.meta.url).pathname
const restartMs = 300
const patienceMs = 120_000

export interface Supervised {
  readonly name: string
  readonly url: string
  /** Of this process alone, one in front of each thing that it depends on. */
  readonly proxies: Record<Dependency, FaultProxy>
  readonly answers: Record<'bucket' | 'cluster', HttpFaults>
  /** Null while it is down. */
  readonly service: Service | null
  /** Ends of the process that nobody asked for. */
  readonly unasked: string[]
  readonly kills: number
  /** SIGKILL, and so much later it is started again, as often as it takes. */
  kill (downMs: number): Promise<void>
  stop (): Promise<void>
}

export interface ProcessOptions {
  name: string
  role: 'server' | 'worker'
  servers: Servers
  env: Record<string, string>
}

async function openProxies (t: Test, { postgres, redis, s3, cluster }: Servers) {
  const front = (target: { host: string, port: number }) => createFaultProxy(t, target)
  const addressOf = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) })
  const within = async (target: HttpTarget) => {
    const faults = await createHttpFaults(t, target)
    return { faults, proxy: await front({ host: '127.0.0.1', port: faults.port }) }
  }
  const bucket = await within({ host: '127.0.0.1', port: s3.port })
  const api = await within(cluster)
  return {
    proxies: { database: await front(addressOf(postgres)), queue: await front(redis), bucket: bucket.proxy, cluster: api.proxy },
    answers: { bucket: bucket.faults, cluster: api.faults }
  }
}

/** A process of the service that is started again whenever it has ended, behind proxies of its own; answers when it is ready. */
export async function supervise (t: Test, { name, role, servers, env }: ProcessOptions): Promise<Supervised> {
  const { proxies, answers } = await openProxies(t, servers)
  const port = await freePort()
  const variables: Record<string, string> = {
    ...labEnvironment(),
    EPHEMERA_TEST_ROLE: role,
    EPHEMERA_WORK: 'false',
    EPHEMERA_AUTH: 'kubernetes',
    EPHEMERA_LOG_LEVEL: 'warn',
    EPHEMERA_KUBECONFIG: kubeconfigThrough(t, proxies.cluster.port, 'http'),
    DATABASE_URL: through(servers.postgres, proxies.database),
    REDIS_URL: through(servers.redis.url, proxies.queue),
    ...servers.s3.environment,
    S3_ENDPOINT: `http://127.0.0.1:${proxies.bucket.port}`,
    ...env
  }
  const unasked: string[] = []
  let service: Service | null = null
  let kills = 0
  let isOver = false
  let work = Promise.resolve()

  async function start (): Promise<void> {
    for (const until = Date.now() + patienceMs; ;) {
      if (isOver) return
      try {
        // The local token of the helper is none here: callers bring those of the cluster.
        const started = await startService({ env: variables, main, port, token: 'unused' })
        service = started
        started.child.once('exit', (code, signal) => {
          if (service === started) unasked.push(`${name} ended by itself with ${code ?? signal}: ${started.log().slice(-2000)}`)
        })
        return
      } catch (error) {
        if (Date.now() > until) throw error
        await delay(restartMs) // what it needs is out of reach just now
      }
    }
  }

  const then = (next: () => Promise<void>) => {
    work = work.then(next)
    return work
  }

  async function end (): Promise<void> {
    const ending = service
    service = null
    await ending?.stop('SIGKILL')
  }

  await start()
  t.teardown(() => {
    isOver = true
    return then(end)
  })
  return {
    name,
    url: `http://127.0.0.1:${port}`,
    proxies,
    answers,
    get service () { return service },
    unasked,
    get kills () { return kills },
    kill: downMs => then(async () => {
      kills++
      await end()
      await delay(downMs)
      await start()
    }),
    stop: () => {
      isOver = true
      return then(end)
    }
  }
}

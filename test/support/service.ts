import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type Client } from './client.ts'

export interface Service extends Client {
  child: ChildProcess
  dataDir: string
  /** What it has logged so far. */
  log (): string
  /** Largest resident set so far, in bytes; of the service itself, not of its embedded Postgres. */
  peakRss (): number
  rss (): number
  stop (signal?: NodeJS.Signals): Promise<number | null>
}

export interface ServiceOptions {
  /** The environment beside the defaults. */
  env: Record<string, string>
  /** Kept over a restart when given. */
  dataDir?: string
  /** Of the caller, where those of the cluster are asked for; else there is one of the service's own. */
  token?: string
  /** The program: the service itself, or the one with the diagnostics for tests. */
  main?: string
  /** The same over a restart, for callers who know the service by it; a free one otherwise. */
  port?: number
}

export async function freePort (host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const main = new URL('./service-main.ts', import.meta.url).pathname

/** Starts the real service as a process of its own and waits until it is ready. */
export async function startService ({ env, dataDir, token: given, main: program = main, port: wanted }: ServiceOptions): Promise<Service> {
  const folder = dataDir ?? await mkdtemp(join(tmpdir(), 'ephemera-test-'))
  const port = wanted ?? await freePort()
  const token = given ?? randomBytes(16).toString('hex')
  const { PATH = '', HOME = '' } = process.env
  const variables = { PATH, HOME, EPHEMERA_PORT: `${port}`, ...given === undefined ? { EPHEMERA_TOKEN: token } : {}, EPHEMERA_DATA_DIR: folder, ...env }
  // Through env: tap loads itself into every Node that a test starts, which doubles its memory.
  const child = spawn('env', ['-i', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`), process.execPath, program], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', part => { log = (log + part).slice(-200_000) })
  const ended = once(child, 'exit')
  const client = createClient({ url: `http://127.0.0.1:${port}`, token })
  const memory = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024

  const service: Service = {
    ...client,
    child,
    dataDir: folder,
    log: () => log,
    peakRss: () => memory('VmHWM'),
    rss: () => memory('VmRSS'),
    async stop (signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await ended
      if (dataDir === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
      return child.exitCode
    }
  }
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode} before it was ready:\n${log}`)
    const ready = await fetch(`${client.url}/readyz`).catch(() => null)
    if (ready?.ok) return service
    await delay(100)
  }
  await service.stop('SIGKILL')
  throw new Error(`The service was not ready within 30 s:\n${log}`)
}

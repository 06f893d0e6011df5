import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface DemoServer {
  url: string
  ended: Promise<unknown>
  stop (): Promise<void>
}

async function demandFreePort (port: number): Promise<void> {
  const server = createServer()
  const failed = once(server, 'error').then(([error]) => { throw error })
  server.listen(port, '127.0.0.1')
  try {
    await Promise.race([once(server, 'listening'), failed])
  } catch (error) {
    throw new Error(`Cannot serve on port ${port}: something else listens there; choose another with --port`, { cause: error })
  }
  server.close()
  await once(server, 'close')
}

interface ServerOptions { port: number, token: string, environment: Record<string, string> }

/** Starts the service on the embedded default: Postgres from the dependencies, NOTIFY, a folder as object storage. */
export async function startServer ({ port, token, environment }: ServerOptions): Promise<DemoServer> {
  await demandFreePort(port)
  const child = spawn(process.execPath, ['src/server.ts'], {
    env: { ...process.env, EPHEMERA_DATA_DIR: '.data', EPHEMERA_LOG_LEVEL: 'warn', ...environment, EPHEMERA_PORT: `${port}`, EPHEMERA_TOKEN: token },
    // A group of its own: Ctrl-C reaches the demo, which then stops the service in order.
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true
  })
  const ended = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  }
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`The service ended with ${child.exitCode}: see above`)
    const ready = await fetch(`${url}/readyz`).catch(() => null)
    if (ready?.ok) return { url, ended, stop }
    await delay(100)
  }
  await stop()
  throw new Error('The service was not ready within 30 s: see above')
}

import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from './service.ts'

export interface TestRedis {
  host: string
  port: number
  url: string
  password: string
  /** Ends the server, and everything in it: nothing is ever saved. */
  stop (): Promise<void>
  /** The same server once more, on the same port. */
  start (): Promise<void>
}

async function answers (host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

export interface RedisOptions { host?: string, password?: string }

/** A Redis of this test alone, with a password and on loopback where no other address is given; gone with the test. */
export async function startRedis (
  t: Test, { host = '127.0.0.1', password = randomBytes(16).toString('hex') }: RedisOptions = {}
): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'ephemera-redis-'))
  const port = await freePort(host)
  let child: ChildProcess | null = null

  async function stop (): Promise<void> {
    if (!child) return
    const ending = child
    child = null
    if (ending.exitCode !== null || ending.signalCode !== null) return
    ending.kill('SIGKILL')
    await once(ending, 'exit')
  }

  async function start (): Promise<void> {
    // Two faults that overlap start it twice, and the second one would be nobody's to stop.
    if (child?.exitCode === null && child.signalCode === null) return
    const starting = spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', '-'], { cwd: folder, stdio: ['pipe', 'ignore', 'inherit'] })
    child = starting
    // Everybody on the machine can read what stands in an argument.
    starting.stdin!.end(`bind ${host}\nport ${port}\nrequirepass ${password}\nsave ""\nappendonly no\ndaemonize no\n`)
    while (!await answers(host, port)) {
      if (starting.exitCode !== null) throw new Error(`Cannot start redis-server: it ended with ${starting.exitCode}`)
      await sleep(20)
    }
  }

  t.teardown(async () => {
    await stop()
    await rm(folder, { recursive: true, force: true })
  })
  await start()
  return { host, port, url: `redis://:${password}@${host}:${port}`, password, stop, start }
}

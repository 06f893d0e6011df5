import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { programs } from './lab.ts'
import { freePort } from './service.ts'

export interface S3Server {
  port: number
  endpoint: string
  region: string
  bucket: string
  credentials: { accessKeyId: string, secretAccessKey: string }
  /** Where the bucket's objects lie as files. */
  folder: string
  /** What the service needs to know to use it. */
  environment: Record<string, string>
}

export interface S3ServerOptions {
  /** Address to listen on. */
  host?: string
  /** false: closes the connection with every answer, also in the middle of an upload that it refuses. */
  keepAlive?: boolean
}

const startSeconds = 30

/** A real S3 server with one bucket; gone with the test. EPHEMERA_VERSITYGW names another program than the lab's. */
export async function startS3 (t: Test, { host = '127.0.0.1', keepAlive = true }: S3ServerOptions = {}): Promise<S3Server> {
  const program = process.env.EPHEMERA_VERSITYGW ?? `${programs()}/versitygw`
  const root = await mkdtemp(join(tmpdir(), 'ephemera-s3-'))
  const bucket = 'evidence'
  const folder = join(root, 'data', bucket)
  const metadata = join(root, 'metadata')
  for (const path of [folder, metadata]) await mkdir(path, { recursive: true })
  const credentials = { accessKeyId: 'ephemera', secretAccessKey: randomBytes(16).toString('hex') }
  const port = await freePort()
  const endpoint = `http://${host}:${port}`
  // Metadata beside the data: not every temporary folder is on a file system with extended attributes.
  const argv = ['--pdeathsig', 'TERM', program, '--port', `${host}:${port}`, '--quiet', '--health', '/healthz', ...(keepAlive ? ['--keep-alive'] : []),
    'posix', '--sidecar', metadata, join(root, 'data')]
  const child = spawn('setpriv', argv, {
    env: { PATH: process.env.PATH, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let words = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', part => { words = (words + part).slice(-4000) })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await ended
    await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  })
  for (let tries = 0; tries < startSeconds * 20; tries++) {
    if (child.exitCode !== null) throw new Error(`versitygw ended with ${child.exitCode} before it was ready:\n${words}`)
    const healthy = await fetch(`${endpoint}/healthz`).catch(() => null)
    if (healthy?.ok) {
      const { accessKeyId, secretAccessKey } = credentials
      const environment = {
        S3_BUCKET: bucket, S3_ENDPOINT: endpoint, S3_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey
      }
      return { port, endpoint, region: 'us-east-1', bucket, credentials, folder, environment }
    }
    await delay(50)
  }
  throw new Error(`versitygw was not ready within ${startSeconds} s:\n${words}`)
}

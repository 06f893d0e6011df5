import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Bucket } from '#core/ports/bucket.ts'
import { createS3Bucket, type S3BucketOptions } from '#storage/s3-bucket.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { startS3 } from '../support/s3.ts'
import { freePort } from '../support/service.ts'

const mebibyte = 1 << 20
const s3 = await startS3(t)
const hasty = await startS3(t, { keepAlive: false })

function open (t: Test, options: Partial<S3BucketOptions> = {}) {
  const bucket = createS3Bucket({ ...s3, ...options })
  t.teardown(() => bucket.close())
  return bucket
}

async function openThroughProxy (t: Test, options: Partial<S3BucketOptions> = {}) {
  const proxy = await createFaultProxy(t, { host: '127.0.0.1', port: s3.port })
  return { proxy, bucket: open(t, { endpoint: `http://127.0.0.1:${proxy.port}`, ...options }) }
}

let keys = 0
const nextKey = () => `artifact/${String(++keys).padStart(16, '0')}`

async function read (content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts)
}

const callsOf = (bucket: Bucket) => ({
  put: () => bucket.put(nextKey(), randomBytes(mebibyte)),
  get: async () => { await bucket.get(nextKey(), 0, 1) },
  delete: () => bucket.delete(nextKey()),
  check: () => bucket.check()
})

t.test('objects lie under the prefix, and are found by the credentials of the environment', async t => {
  for (const [name, value] of Object.entries(s3.environment)) {
    const before = process.env[name]
    process.env[name] = value
    t.teardown(() => { if (before === undefined) delete process.env[name]; else process.env[name] = before })
  }
  const bucket = open(t, { prefix: 'team/evidence-', credentials: undefined })
  await bucket.put('a/0', Buffer.from('mine'))
  t.equal(await readFile(join(s3.folder, 'team/evidence-a/0'), 'utf8'), 'mine')
  t.equal(String(await read(await bucket.get('a/0', 1, 2))), 'in')
  await bucket.check()
})

t.test('what is wrong is said in words', async t => {
  const { accessKeyId, secretAccessKey } = s3.credentials
  const dead = await freePort()
  const cases: [Partial<S3BucketOptions>, string][] = [
    [{ endpoint: `http://127.0.0.1:${dead}` }, 'the server does not answer (ECONNREFUSED)'],
    [{ bucket: 'nowhere' }, 'there is no such bucket'],
    [{ credentials: { accessKeyId, secretAccessKey: 'wrong' } }, 'the server refuses the credentials (SignatureDoesNotMatch)'],
    [{ credentials: { accessKeyId: 'nobody', secretAccessKey } }, 'the server refuses the credentials (XAdminUserNotFound)']
  ]
  for (const [options, state] of cases) {
    const calls = callsOf(open(t, options))
    const refused = { code: 'EPH_BUCKET_UNAVAILABLE', cause: { name: String } }
    await t.rejects(calls.check(), { ...refused, message: `Cannot use the bucket "${options.bucket ?? s3.bucket}": ${state}` })
    for (const [name, call] of Object.entries(calls)) await t.rejects(call(), { ...refused, message: `: ${state}` }, `${name}: ${state}`)
  }
})

t.test('without any credentials it says so', async t => {
  const hidden = { AWS_EC2_METADATA_DISABLED: 'true', AWS_SHARED_CREDENTIALS_FILE: '/nowhere', AWS_CONFIG_FILE: '/nowhere' }
  const before = { ...process.env }
  t.teardown(() => { process.env = before })
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
  Object.assign(process.env, hidden)
  const bucket = open(t, { credentials: undefined })
  await t.rejects(bucket.check(), { code: 'EPH_BUCKET_UNAVAILABLE', message: 'Cannot use the bucket "evidence": there are no credentials for it' })
})

t.test('a server that swallows everything is given up within the bound, and serves again afterwards', async t => {
  const { proxy, bucket } = await openThroughProxy(t, { times: { callMs: 1000 } })
  await bucket.put('warm/0', randomBytes(mebibyte))
  proxy.blackhole()
  const results = await Promise.allSettled(Object.values(callsOf(bucket)).map(call => call()))
  for (const result of results) {
    t.match(result, { status: 'rejected', reason: { code: 'EPH_BUCKET_UNAVAILABLE', message: 'the server does not answer (no end within 1 s)' } })
  }
  proxy.heal()
  const bytes = randomBytes(mebibyte)
  await bucket.put('warm/1', bytes)
  t.ok((await read(await bucket.get('warm/1', 0, mebibyte))).equals(bytes))
})

t.test('a connection that went dead is replaced within the call', async t => {
  const { proxy, bucket } = await openThroughProxy(t, { times: { silenceMs: 300 } })
  const bytes = randomBytes(mebibyte)
  await bucket.put('dead/0', bytes)
  await read(await bucket.get('dead/0', 0, mebibyte))
  t.equal(proxy.open, 2, 'one for writing and one for reading are kept')
  proxy.blackhole()
  proxy.heal()
  await bucket.put('dead/1', bytes)
  t.ok((await read(await bucket.get('dead/0', 0, mebibyte))).equals(bytes))
})

t.test('connections are kept and bounded', async t => {
  const { proxy, bucket } = await openThroughProxy(t)
  for (const size of [100, 100, 3 * mebibyte, 8 * mebibyte, 100]) await bucket.put(nextKey(), randomBytes(size))
  t.equal(proxy.accepted, 1)
  let most = 0
  await Promise.all(Array.from({ length: 200 }, async () => {
    await bucket.put(nextKey(), randomBytes(1000))
    most = Math.max(most, proxy.open)
  }))
  t.ok(most > 1 && most <= 64, `${most} at once`)
})

t.test('a refusal that is lost with its connection is no failure when the bytes are there', async t => {
  const bucket = open(t, hasty)
  const key = nextKey()
  const bytes = randomBytes(8 * mebibyte)
  for (let count = 0; count < 5; count++) await bucket.put(key, bytes)
  await t.rejects(bucket.put(key, randomBytes(8 * mebibyte)), { code: 'EPH_CONFLICT' })
  await t.rejects(bucket.put(key, bytes.subarray(1)), { code: 'EPH_CONFLICT' })
  t.ok((await read(await bucket.get(key, 0, bytes.length))).equals(bytes))
})

t.test('a reader that pauses holds no connection, and goes on where it was', async t => {
  const { proxy, bucket } = await openThroughProxy(t, { times: { silenceMs: 300 } })
  const key = nextKey()
  const bytes = randomBytes(8 * mebibyte)
  await open(t).put(key, bytes)
  const never = await bucket.get(key, 0, bytes.length)
  const parts: Uint8Array[] = []
  for await (const part of await bucket.get(key, 5, bytes.length - 5)) {
    if (parts.length === 3) while (proxy.open > 0) await delay(20)
    parts.push(part)
  }
  t.ok(Buffer.concat(parts).equals(bytes.subarray(5)))
  t.ok((await read(never)).equals(bytes), 'one who did not even begin, too')
})

t.test('a download that is cut goes on, and fails when the server stays away', async t => {
  const { proxy, bucket } = await openThroughProxy(t)
  const key = nextKey()
  const bytes = randomBytes(8 * mebibyte)
  await bucket.put(key, bytes)
  const parts: Uint8Array[] = []
  for await (const part of await bucket.get(key, 0, bytes.length)) {
    if (parts.length % 40 === 20) proxy.cut()
    parts.push(part)
  }
  t.ok(Buffer.concat(parts).equals(bytes))

  let got = 0
  await t.rejects(async () => {
    for await (const part of await bucket.get(key, 0, bytes.length)) {
      got += part.length
      proxy.refuse(true)
      proxy.cut()
    }
  }, { code: 'EPH_BUCKET_UNAVAILABLE', message: `Cannot read the object "${key}": the server does not answer (ECONNRESET)` })
  t.ok(got > 0 && got < bytes.length)
})

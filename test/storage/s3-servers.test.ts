// What servers other than ours, and networks, do to uploads and downloads. Whatever is not meddled with goes to a real server.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createS3Bucket, type S3BucketOptions } from '#storage/s3-bucket.ts'
import { startS3 } from '../support/s3.ts'
import { until } from '../support/until.ts'

const mebibyte = 1 << 20
const s3 = await startS3(t)

/** To the real server, with other bytes than those that come. */
type Forward = (changed?: Buffer) => Promise<IncomingMessage>
/** True: it has been answered, or will not be. */
type Meddle = (incoming: IncomingMessage, response: ServerResponse, forward: Forward) => boolean | Promise<boolean>

function pass (answer: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.statusCode!, answer.headers)
  answer.pipe(response)
}

async function open (t: Test, meddle: Meddle, options: Partial<S3BucketOptions> = {}) {
  const server = createServer((incoming, response) => {
    const { method, url, headers } = incoming
    async function forward (changed?: Buffer): Promise<IncomingMessage> {
      const outgoing = request({ port: s3.port, method, path: url, headers })
      outgoing.on('error', () => {}) // what comes after the answer, or instead of it: met below
      if (changed) outgoing.end(changed)
      else incoming.pipe(outgoing)
      const [answer] = await once(outgoing, 'response') as [IncomingMessage]
      return answer
    }
    async function serve (): Promise<void> {
      if (await meddle(incoming, response, forward)) return
      pass(await forward(), response)
    }
    serve().catch(error => { response.destroy(error) })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const bucket = createS3Bucket({ ...s3, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ...options })
  t.teardown(() => bucket.close())
  return bucket
}

async function read (content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts)
}

t.test('an upload says its SHA-256, signed and kept with the object', async t => {
  const seen: IncomingMessage['headers'][] = []
  const bucket = await open(t, incoming => {
    seen.push(incoming.headers)
    return false
  })
  const bytes = randomBytes(1000)
  for (const key of ['sha/0', 'sha/1']) await bucket.put(key, bytes)
  const digest = createHash('sha256').update(bytes).digest()
  const each = { 'x-amz-checksum-sha256': digest.toString('base64'), 'if-none-match': '*', authorization: /SignedHeaders=[^,]*x-amz-checksum-sha256;x-amz-content-sha256/ }
  t.match(seen, [
    { ...each, 'x-amz-content-sha256': digest.toString('hex') },
    { ...each, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
  ], 'once: the server has compared the checksum')
})

t.test('a server that says nothing of checksums gets the payload signed each time', async t => {
  const signed: unknown[] = []
  const bucket = await open(t, async (incoming, response, forward) => {
    signed.push(incoming.headers['x-amz-content-sha256'])
    const { statusCode, headers } = await forward()
    const { 'x-amz-checksum-sha256': _, ...rest } = headers
    response.writeHead(statusCode!, rest).end()
    return true
  })
  const bytes = randomBytes(1000)
  for (const key of ['mute/0', 'mute/1', 'mute/2']) await bucket.put(key, bytes)
  t.same(new Set(signed), new Set([createHash('sha256').update(bytes).digest('hex')]))
})

t.test('bytes that change on their way are refused, with the payload signed or its checksum', async t => {
  let forge: (bytes: Buffer, headers: IncomingMessage['headers']) => void = () => {}
  const bucket = await open(t, async (incoming, response, forward) => {
    if (incoming.method !== 'PUT') return false
    const bytes = await read(incoming)
    forge(bytes, incoming.headers)
    pass(await forward(bytes), response)
    return true
  })
  const flip: typeof forge = bytes => { bytes[500]! ^= 1 }
  const flipWithChecksum: typeof forge = (bytes, headers) => {
    flip(bytes, headers)
    headers['x-amz-checksum-sha256'] = createHash('sha256').update(bytes).digest('base64')
  }
  const cases: [typeof forge, RegExp][] = [
    [flip, /XAmzContentSHA256Mismatch/],
    [flipWithChecksum, /SignatureDoesNotMatch/],
    [flip, /BadDigest/],
    [flipWithChecksum, /SignatureDoesNotMatch/]
  ]
  for (const [nth, [forgery, message]] of cases.entries()) {
    if (nth === 2) await bucket.put('true/0', randomBytes(1000)) // from here on without a signed payload
    forge = forgery
    await t.rejects(bucket.put(`forged/${nth}`, randomBytes(1000)), { code: 'EPH_BUCKET_UNAVAILABLE', message })
    await t.rejects(async () => { await bucket.get(`forged/${nth}`, 0, 1) }, { code: 'EPH_INTERNAL' }, 'nothing is stored')
    forge = () => {}
  }
})

t.test('an upload that arrived succeeds, though every answer is lost', async t => {
  const lost: unknown[] = []
  const bucket = await open(t, async (incoming, response, forward) => {
    if (incoming.method !== 'PUT') return false
    // A server that refuses before it has read everything may close the connection before its answer is read.
    lost.push(await forward().then(({ statusCode }) => statusCode, () => 'reset'))
    response.destroy()
    return true
  })
  const bytes = randomBytes(mebibyte)
  await bucket.put('lost/0', bytes)
  t.match(lost, [200, /^(412|reset)$/, /^(412|reset)$/])
  t.ok((await read(await bucket.get('lost/0', 0, mebibyte))).equals(bytes))
  await t.rejects(bucket.put('lost/0', randomBytes(mebibyte)), { code: 'EPH_CONFLICT' })
})

t.test('a server that knows no conditions is asked first, and keeps what it has', async t => {
  let refused = 0
  const puts: unknown[] = []
  const bucket = await open(t, (incoming, response) => {
    if (incoming.method === 'PUT') puts.push(incoming.headers['if-none-match'])
    if (incoming.headers['if-none-match'] === undefined) return false
    refused++
    incoming.resume()
    response.writeHead(501, { 'content-type': 'application/xml' }).end('<Error><Code>NotImplemented</Code></Error>')
    return true
  })
  const bytes = randomBytes(mebibyte)
  await bucket.put('plain/0', bytes)
  await bucket.put('plain/0', bytes)
  await t.rejects(bucket.put('plain/0', randomBytes(mebibyte)), { code: 'EPH_CONFLICT' })
  await bucket.put('plain/1', bytes)
  for (const key of ['plain/0', 'plain/1']) t.ok((await read(await bucket.get(key, 0, mebibyte))).equals(bytes))
  t.ok(refused >= 1)
  t.same(puts.slice(refused), [undefined, undefined], 'what is there is not sent again')
})

t.test('a server that gives the whole instead of a part is no store for us', async t => {
  const bucket = await open(t, (incoming, response) => {
    if (incoming.method !== 'GET') return false
    response.writeHead(200, { 'content-length': 100 }).end(Buffer.alloc(100))
    return true
  })
  await t.rejects(async () => { await bucket.get('whole/0', 5, 10) }, { code: 'EPH_BUCKET_UNAVAILABLE', message: /the server gives other bytes than those asked for$/ })
})

t.test('a part that ends too early, or too late, is an error', async t => {
  for (const [sent, problem] of [
    [50, { code: 'EPH_INTERNAL', message: /ends before byte 105/ }],
    [150, { code: 'EPH_BUCKET_UNAVAILABLE', message: /the server gives other bytes than those asked for$/ }]
  ] as const) {
    const bucket = await open(t, (incoming, response) => {
      const [first, last] = /bytes=(\d+)-(\d+)/.exec(incoming.headers.range!)!.slice(1)
      // Nothing comes once the first half has come: asking again is of no use.
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/1000` }).end(Buffer.alloc(first === '5' ? sent : 0))
      return true
    })
    let bytes = 0
    await t.rejects(async () => { for await (const part of await bucket.get('short/0', 5, 100)) bytes += part.length }, problem)
    t.ok(bytes <= 100, 'never more than asked for')
  }
})

t.test('an upload reads nothing of its buffer once it has ended', async t => {
  const late = 0xee
  for (const kind of ['stalled', 'refused early', 'there already'] as const) {
    const bytes = Buffer.alloc(8 * mebibyte, 'a')
    const sockets: Socket[] = []
    const server = createTcpServer(socket => {
      socket.on('error', () => {})
      socket.once('readable', () => {
        const isUpload = String(socket.read(3)) === 'PUT'
        if (isUpload) sockets.push(socket)
        if (!isUpload) socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`), bytes]))
        else if (kind === 'refused early') socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
        else if (kind === 'there already') socket.write('HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => { server.close() })
    const bucket = createS3Bucket({ ...s3, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, times: { callMs: 2000 } })
    t.teardown(() => bucket.close())
    const put = bucket.put('buffer/0', bytes)
    if (kind === 'there already') await t.resolves(put)
    else await t.rejects(put, { code: 'EPH_BUCKET_UNAVAILABLE' })
    bytes.fill(late)
    const [received] = await Promise.all(sockets.map(async socket => {
      const chunks: Buffer[] = []
      socket.on('data', chunk => { chunks.push(chunk) })
      await once(socket, 'close')
      return Buffer.concat(chunks)
    }))
    t.equal(sockets.length, 1)
    t.ok(received?.includes('aaaa'), `${kind}: a part of the body came`)
    t.notOk(received?.includes(late), `${kind}: and nothing from later`)
  }
})

t.test('a store that is away is not asked by each call, until it answers again', async t => {
  const changes: unknown[] = []
  const state = { isAway: false, asked: 0 }
  const bucket = await open(t, (incoming, response) => {
    if (!incoming.url!.includes('.check')) state.asked++
    if (state.isAway) {
      incoming.resume()
      response.writeHead(500).end()
    }
    return state.isAway
  }, { changed: why => { changes.push(why) } })
  const bytes = randomBytes(100)
  const unavailable = { code: 'EPH_BUCKET_UNAVAILABLE', message: /^Cannot store the object "(?:a|b)\/\d+": the server answers 500/ }
  state.isAway = true
  await Promise.all(Array.from({ length: 5 }, (_, nth) => t.rejects(bucket.put(`a/${nth}`, bytes), unavailable)))
  const before = state.asked
  for (let nth = 0; nth < 50; nth++) await t.rejects(bucket.put(`b/${nth}`, bytes), unavailable)
  t.equal(state.asked, before)
  state.isAway = false
  await until(() => changes.length === 2)
  await bucket.put('b/50', bytes)
  t.match(changes, [{ code: 'EPH_BUCKET_UNAVAILABLE' }, null])
})

t.test('what a store refuses is told with what to do, and is no outage', async t => {
  const changes: unknown[] = []
  const bucket = await open(t, (incoming, response) => {
    incoming.resume()
    response.writeHead(403, { 'content-type': 'application/xml' }).end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>')
    return true
  }, { changed: why => { changes.push(why) } })
  for (let nth = 0; nth < 10; nth++) {
    await t.rejects(bucket.put('a/0', randomBytes(10)), { code: 'EPH_BUCKET_UNAVAILABLE', message: /\(AccessDenied\); they need s3:PutObject/ })
  }
  t.same(changes, [])
})

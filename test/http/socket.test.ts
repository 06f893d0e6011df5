import { connect } from 'node:net'
import t from 'tap'
import { build, token } from '../support/build-app.ts'
import { listen } from '../support/listen.ts'
import { ids, launch } from '../support/samples.ts'

/** Sends bytes as they are, each time after an answer came, and reads until the other side closes. */
function exchange (port: number, ...turns: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const speak = () => { if (turns.length > 0) socket.write(turns.shift()!) }
    const socket = connect(port, '127.0.0.1', speak)
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk
      speak()
    }).on('close', () => { resolve(answer) }).on('error', reject)
  })
}

const request = (line: string, headers: string[], body = '') => [line, 'Host: ephemera', 'Connection: close', ...headers, '', body].join('\r\n')
const problemIn = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))

t.test('bytes that are not HTTP are answered with a problem', async t => {
  const { app } = await build(t)
  const { port } = await listen(app)
  for (const [bytes, status] of [
    ['nonsense\r\n\r\n', 400], ['GET /v1/jobs HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n', 400], [`GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400]
  ] as const) {
    const answer = await exchange(port, bytes)
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*content-type: application/problem\\+json`, 'i'), bytes.slice(0, 60))
    t.match(problemIn(answer), { status, code: 'EPH_MALFORMED' })
  }
})

t.test('traversals in an address reach nothing', async t => {
  const { app } = await build(t)
  const { port } = await listen(app)
  for (const path of ['/v1/../livez', '/docs/../../etc/passwd', '/docs/js/..%2f..%2fpackage.json', '//livez', '/livez/', '/livez;x=1', '/v1/jobs/../../metrics', 'http://elsewhere/livez2']) {
    t.match(await exchange(port, request(`GET ${path} HTTP/1.1`, [])), /^HTTP\/1\.1 40[0145] /, path)
  }
})

t.test('a request that offers HTTP/2 by the way, as Java does, keeps its body', async t => {
  const { app } = await build(t)
  const { port } = await listen(app)
  const body = JSON.stringify(launch)
  const answer = await exchange(port, [
    'POST /v1/jobs HTTP/1.1', 'Host: ephemera', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk', `Authorization: ${token}`,
    'Content-Type: application/json', `Content-Length: ${body.length}`, '', body
  ].join('\r\n'), request('GET /livez HTTP/1.1', []))
  t.match(answer, /^HTTP\/1\.1 202 /)
  t.match(answer, ids.job)
  t.match(answer, /ok\n$/, 'and the connection goes on')
})

t.test('an upgrade where nothing is to be upgraded is an ordinary request', async t => {
  const { app } = await build(t)
  const { port } = await listen(app)
  const upgrade = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
  t.match(await exchange(port, request('GET /livez HTTP/1.1', upgrade)), /^HTTP\/1\.1 200 [\s\S]*ok\n$/)
  t.match(await exchange(port, request('GET /v1/jobs HTTP/1.1', upgrade)), /^HTTP\/1\.1 401 /)
})

t.test('an upgrade that is refused leaves no socket open', async t => {
  const { app } = await build(t)
  const { port } = await listen(app)
  const upgrade = ['Host: ephemera', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
  for (const [header, status] of [['Authorization: Bearer bad', 401], ['Impersonate-User: root', 422]] as const) {
    const answer = await exchange(port, ['GET /graphql HTTP/1.1', ...upgrade, header, '', ''].join('\r\n'))
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    t.match(problemIn(answer), { status })
  }
})

t.test('answers say what they are and let no page use them', async t => {
  const { call } = await build(t)
  const { headers } = await call({ url: '/v1/jobs' })
  t.match(headers, {
    'x-content-type-options': 'nosniff',
    'content-security-policy': /default-src 'none'/,
    'referrer-policy': 'no-referrer',
    'cache-control': 'private, no-cache',
    'x-request-id': /^[0-9a-f]{8}-[0-9a-f]{4}-7/
  })
  t.notOk('access-control-allow-origin' in headers || 'x-powered-by' in headers)
})

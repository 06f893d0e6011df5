import { t, type Test } from 'tap'
import type { WebSocket } from 'ws'
import { openExecSocket, type ExecHandlers } from '../../src/kubernetes/exec-socket.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { until } from '../support/until.ts'
import { createFakeApiServer, kubeConfigFor, type SeenRequest } from './fake-api-server.ts'

const place = { namespace: 'shop', pod: 'web-1', podUid: 'u', node: null, container: 'ephemera-x' }
const never = new AbortController().signal

function watch () {
  const end = Promise.withResolvers<string>()
  const chunks: Buffer[] = []
  const handlers: ExecHandlers = { stdout (data) { chunks.push(data) }, end: end.resolve }
  return { handlers, chunks, ended: end.promise }
}

async function open (t: Test, exec: (socket: WebSocket, request: SeenRequest) => void) {
  const server = await createFakeApiServer(t, {}, exec)
  const watched = watch()
  const socket = await openExecSocket(server.config, place, ['/ephemera/runner', 'serve'], watched.handlers, never)
  t.teardown(() => socket.terminate())
  return { ...watched, socket, server }
}

t.test('asks for exactly one program, with the credentials of the kubeconfig', async t => {
  const { server: { requests: [request] } } = await open(t, () => {})
  t.equal(request?.path, '/api/v1/namespaces/shop/pods/web-1/exec')
  t.same([...request!.query], [['container', 'ephemera-x'], ['stdin', 'true'], ['stdout', 'true'], ['stderr', 'true'], ['command', '/ephemera/runner'], ['command', 'serve']])
  t.equal(request!.headers.authorization, 'Bearer secret')
  t.equal(request!.headers['sec-websocket-protocol'], 'v4.channel.k8s.io')
  t.notOk(request!.headers['sec-websocket-extensions'], 'nothing is compressed')
})

t.test('stdin goes out in pieces that the API server takes', async t => {
  const pieces: Buffer[] = []
  const whole = Promise.withResolvers<void>()
  const data = Buffer.alloc(100_000, 'abc')
  const { socket } = await open(t, webSocket => webSocket.on('message', (message: Buffer) => {
    pieces.push(message)
    if (pieces.reduce((sum, piece) => sum + piece.length - 1, 0) === data.length) whole.resolve()
  }))
  socket.send(data)
  await whole.promise
  t.ok(pieces.every(piece => piece[0] === 0 && piece.length <= 32_769))
  t.ok(Buffer.concat(pieces.map(piece => piece.subarray(1))).equals(data))
})

t.test('standard output arrives; the status tells why it ended', async t => {
  const { chunks, ended } = await open(t, webSocket => {
    webSocket.send(Buffer.from('\u0001hel'))
    webSocket.send(Buffer.from('\u0002warning'))
    webSocket.send(Buffer.from('\u0001lo'))
    webSocket.send(Buffer.from('\u0003{"status":"Failure","message":"exec: \\"/ephemera/runner\\": no such file or directory"}'))
    webSocket.close()
  })
  t.equal(await ended, 'exec: "/ephemera/runner": no such file or directory')
  t.equal(Buffer.concat(chunks).toString(), 'hello')
})

t.test('a cut connection ends with a reason', async t => {
  const { ended } = await open(t, webSocket => webSocket.terminate())
  t.match(await ended, /closed \(1006\)/)
})

t.test('a refused upgrade keeps what the API server said, and no connection', async t => {
  const { config, connections } = await createFakeApiServer(t)
  await t.rejects(openExecSocket(config, place, ['x'], watch().handlers, never), { code: 403, body: /pods\/exec/ })
  await until(() => connections() === 0)
})

t.test('a server that is not there, or never answers, rejects', async t => {
  await t.rejects(openExecSocket(kubeConfigFor(1), place, ['x'], watch().handlers, never), { code: 'ECONNREFUSED' })
  const server = await createFakeApiServer(t, {}, () => {})
  const proxy = await createFaultProxy(t, { host: '127.0.0.1', port: server.port })
  proxy.blackhole()
  const signal = AbortSignal.timeout(50)
  await t.rejects(openExecSocket(kubeConfigFor(proxy.port), place, ['x'], watch().handlers, signal), signal.reason)
})

for (const bad of [{ pod: 'web?x' }, { pod: 'a/../b' }, { namespace: 'a%2fb' }, { container: 'x&command=id' }, { pod: 'a'.repeat(300) }, { pod: 'a\0' }]) {
  t.test(`nothing is sent for ${JSON.stringify(bad).slice(0, 40)}`, async t => {
    const server = await createFakeApiServer(t, {}, () => {})
    await t.rejects(openExecSocket(server.config, { ...place, ...bad }, ['x'], watch().handlers, never), { code: 'EPH_INVALID_REQUEST' })
    t.equal(server.requests.length, 0)
  })
}

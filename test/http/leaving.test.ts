import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { build, token } from '../support/build-app.ts'
import { listen } from '../support/listen.ts'
import { until } from '../support/until.ts'

/** A connection that a caller keeps open, and what came back on it. */
async function keep (t: Test, port: number) {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let answers = ''
  socket.on('data', part => { answers += part })
  await once(socket, 'connect')
  return {
    closed: once(socket, 'close'),
    send: (text: string) => socket.write(text),
    statuses: () => [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status)),
    answers: () => answers
  }
}

const begun = `GET /v1/jobs?namespace=shop HTTP/1.1\r\nHost: ephemera\r\nAuthorization: ${token}\r\n`
const whole = `${begun}\r\n`

t.test('once the service leaves, it answers as ever, and each answer ends its connection', async t => {
  const leaving = new AbortController()
  const { app } = await build(t, {}, { leaving: leaving.signal })
  const { port } = await listen(app)
  const connection = await keep(t, port)
  connection.send(whole)
  await until(() => connection.statuses().length === 1)
  t.match(connection.answers(), /^connection: keep-alive/mi)
  leaving.abort()
  connection.send(whole)
  await connection.closed
  t.same(connection.statuses(), [200, 200])
  t.match(connection.answers(), /^connection: close/mi)
})

t.test('a request that was on its way when the listener closed is answered, not refused with 503', async t => {
  const { app } = await build(t)
  const { port } = await listen(app)
  const accepted = once(app.server, 'connection') as Promise<[Socket]>
  const connection = await keep(t, port)
  const [socket] = await accepted
  connection.send(whole)
  await until(() => connection.statuses().length === 1)
  connection.send(begun)
  await until(() => socket.bytesRead === whole.length + begun.length)
  const closing = app.close()
  await until(() => !app.server.listening)
  connection.send('\r\n')
  await Promise.all([closing, connection.closed])
  t.same(connection.statuses(), [200, 200])
  t.match(connection.answers(), /^connection: close/mi)
})

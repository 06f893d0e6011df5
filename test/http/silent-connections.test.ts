import { connect } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { build } from '../support/build-app.ts'

t.test('closing the application does not wait for a connection on which nothing was ever sent', async t => {
  const { app } = await build(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const accepted = once(app.server, 'connection')
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await Promise.all([once(socket, 'connect'), accepted])
  socket.on('error', () => {}) // reset, or ended
  const ended = once(socket, 'close')
  await app.close()
  await ended
  t.equal(app.server.listening, false)
})

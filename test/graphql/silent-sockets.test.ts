import { once } from 'node:events'
import { mock } from 'node:test'
import t from 'tap'
import { build, token } from '../support/build-app.ts'
import { openSocket } from '../support/graphql-socket.ts'
import { listen } from '../support/listen.ts'

t.test('who says nothing for 10 s, or no longer answers, is cut off', async t => {
  const { app } = await build(t)
  const { port } = await listen(app)
  const ready = async () => {
    const socket = await openSocket(t, port)
    socket.send({ type: 'connection_init', payload: { authorization: token } })
    await socket.next()
    return socket
  }
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  t.teardown(() => { mock.timers.reset() })
  const silent = await openSocket(t, port)
  const deaf = await ready()
  const alive = await ready()
  deaf.socket.pong = () => {}
  mock.timers.tick(10_000)
  t.match(await silent.closed, { code: 4408 })
  const pinged = [once(deaf.socket, 'ping'), once(alive.socket, 'ping')]
  mock.timers.tick(5000)
  await Promise.all(pinged)
  alive.send({ type: 'ping' })
  await alive.next()
  mock.timers.tick(15_000)
  t.match(await deaf.closed, { code: 1006 })
  alive.send({ type: 'ping' })
  t.same(await alive.next(), { type: 'pong' })
})

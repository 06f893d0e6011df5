import { once } from 'node:events'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

export interface Message { type: string, id?: string, payload?: unknown }

/** A client of graphql-transport-ws that says only what a test lets it say. */
export async function openSocket (t: Test, port: number, { protocol = 'graphql-transport-ws', headers = {} } = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, protocol, { headers })
  const received: Message[] = []
  const waiting: ((message: Message) => void)[] = []
  socket.on('message', data => {
    const message = JSON.parse(String(data)) as Message
    const next = waiting.shift()
    if (next) next(message)
    else received.push(message)
  })
  const closed = new Promise<{ code: number, reason: string }>(resolve => {
    socket.on('close', (code, reason) => { resolve({ code, reason: String(reason) }) })
  })
  await once(socket, 'open')
  t.teardown(() => { socket.terminate() })
  return {
    socket,
    closed,
    send: (message: Message | string) => { socket.send(typeof message === 'string' ? message : JSON.stringify(message)) },
    /** The next message, in order. */
    next: () => received.length > 0 ? Promise.resolve(received.shift()!) : new Promise<Message>(resolve => { waiting.push(resolve) })
  }
}
export type GraphqlSocket = Awaited<ReturnType<typeof openSocket>>

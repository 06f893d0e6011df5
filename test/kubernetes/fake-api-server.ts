import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'

export interface SeenRequest { method: string, path: string, query: URLSearchParams, headers: IncomingMessage['headers'], body: string }

/** Answers a call: a body with its status, or nothing where it has answered by itself. */
export type Answer = { status?: number, body: object | string, headers?: Record<string, string> } | null
export type Answers = Record<string, (request: SeenRequest, response: ServerResponse) => Answer>
export type Exec = (socket: WebSocket, request: SeenRequest) => void

/** A Status of the API server. */
export const status = (code: number, message: string, rest: object = {}): Answer =>
  ({ status: code, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message, ...rest } })

/** An API server on loopback, as far as a test says: answers by "METHOD path"; the rest is 404. Gone with the test. */
export async function createFakeApiServer (t: Test, answers: Answers = {}, exec?: Exec) {
  const requests: SeenRequest[] = []
  const sockets = new Set<Socket>()
  const server = createServer(async (message, response) => {
    const request = await read(message)
    requests.push(request)
    const answer = answers[`${request.method} ${request.path}`]?.(request, response) ??
      (answers[`${request.method} ${request.path}`] ? null : status(404, `${request.path} not found`)!)
    if (!answer) return
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers })
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  const upgrades = new WebSocketServer({ noServer: true, handleProtocols: () => 'v4.channel.k8s.io' })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('upgrade', async (message, socket, head) => {
    const request = await read(message)
    requests.push(request)
    if (exec) upgrades.handleUpgrade(message, socket, head, webSocket => exec(webSocket, request))
    else {
      const text = JSON.stringify(status(403, 'pods "web" is forbidden: User "ephemera" cannot create resource "pods/exec" in API group "" in the namespace "shop"')!.body)
      // As the real one, it keeps the connection open.
      socket.write(`HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
      socket.resume().on('end', () => socket.end())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, requests, config: kubeConfigFor(port), connections: () => sockets.size }
}

export function kubeConfigFor (port: number, token = 'secret'): KubeConfig {
  const config = new KubeConfig()
  config.loadFromOptions({
    clusters: [{ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: 'user', token }],
    contexts: [{ name: 'fake', cluster: 'fake', user: 'user' }],
    currentContext: 'fake'
  })
  return config
}

async function read (message: IncomingMessage): Promise<SeenRequest> {
  const url = new URL(message.url ?? '/', 'http://fake')
  let body = ''
  if (message.method !== 'GET') for await (const part of message) body += part
  return { method: message.method ?? '', path: url.pathname, query: url.searchParams, headers: message.headers, body }
}

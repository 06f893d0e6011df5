import { once } from 'node:events'
import { Agent, createServer, request as requestPlain, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent as SecureAgent, request as requestSecure, type RequestOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

/**
 * What befalls a request. `answer`: it never reaches the server. `unheard`: it is carried out, and its answer is lost with the connection.
 * `late`: it is passed on so much later.
 */
export type HttpFault =
  { kind: 'answer', status: number, headers?: Record<string, string>, body?: string } | { kind: 'unheard' } | { kind: 'late', ms: number }

export interface HttpFaults {
  readonly port: number
  /** Requests that met a fault so far. */
  readonly met: number
  /** Asked for each request from now on; null: nothing befalls it. */
  befall (fault: ((request: { method: string, path: string }) => HttpFault | null) | null): void
}

export interface HttpTarget { host: string, port: number, tls?: RequestOptions }

/** A proxy on loopback that speaks HTTP, as `kubectl proxy` does, in front of a server that may speak TLS. Gone with the test. */
export async function createHttpFaults (t: Test, { host, port, tls }: HttpTarget): Promise<HttpFaults> {
  let draw: Parameters<HttpFaults['befall']>[0] = null
  let met = 0
  const sockets = new Set<Socket>()
  const kept = tls ? new SecureAgent({ keepAlive: true }) : new Agent({ keepAlive: true })

  function send ({ method, url, headers }: IncomingMessage, agent: Agent | false = kept) {
    return (tls ? requestSecure : requestPlain)({ ...tls, host, port, method: method!, path: url!, headers, agent })
  }

  function pass (request: IncomingMessage, response: ServerResponse, isHeard: boolean): void {
    const upstream = send(request)
    const broken = () => { request.socket.destroy() }
    upstream.on('error', broken)
    upstream.on('response', answer => {
      if (!isHeard) {
        answer.resume().on('end', broken)
        return
      }
      answer.on('error', broken)
      response.writeHead(answer.statusCode!, answer.rawHeaders)
      answer.pipe(response)
    })
    response.on('close', () => { upstream.destroy() })
    request.pipe(upstream)
  }

  const server = createServer((request, response) => {
    const fault = draw?.({ method: request.method!, path: request.url! }) ?? null
    request.on('error', () => {}) // who breaks it off has seen why
    if (fault) met++
    if (fault?.kind === 'answer') {
      request.resume()
      response.writeHead(fault.status, { connection: 'close', ...fault.headers }).end(fault.body ?? '')
    } else if (fault?.kind === 'late') setTimeout(() => { pass(request, response, true) }, fault.ms)
    else pass(request, response, fault === null)
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => { sockets.delete(socket) })
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const upstream = send(request, false)
    const broken = () => { socket.destroy() }
    upstream.on('error', broken)
    upstream.on('response', answer => {
      socket.write(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n${headLines(answer.rawHeaders)}\r\n`)
      answer.pipe(socket)
    })
    upstream.on('upgrade', (answer, other: Socket, rest: Buffer) => {
      socket.write(`HTTP/1.1 101 ${answer.statusMessage}\r\n${headLines(answer.rawHeaders)}\r\n`)
      socket.write(rest)
      other.write(head)
      other.on('error', broken).on('close', broken)
      socket.on('close', () => { other.destroy() })
      other.pipe(socket)
      socket.pipe(other)
    })
    upstream.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    kept.destroy()
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
  return {
    port: (server.address() as AddressInfo).port,
    get met () { return met },
    befall (fault) { draw = fault }
  }
}

function headLines (raw: string[]): string {
  let lines = ''
  for (let at = 0; at < raw.length; at += 2) lines += `${raw[at]}: ${raw[at + 1]}\r\n`
  return lines
}

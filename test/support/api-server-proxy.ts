import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request, type RequestOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { loadKubeConfig } from '../../src/kubernetes/kube-config.ts'
import { kubeconfig as labKubeconfig } from './lab.ts'

/** What was asked; `at`: milliseconds of performance.now(). */
export interface Call { method: string, path: string, query: URLSearchParams, at: number }

export interface Fault {
  /** What is answered in place of the API server; null: nothing ever is. */
  status?: number | null
  retryAfterSeconds?: number
  message?: string
  /** The API server does what it was asked, and its answer is lost. */
  carriedOut?: boolean
  /** It is passed on, or answered, so much later. */
  delayMs?: number
}

export interface ApiServerProxy {
  port: number
  /** Path of a kubeconfig that leads through the proxy. */
  kubeconfig: string
  /** In the order in which they came, whatever became of them. */
  calls: Call[]
  /** The next `times` calls that fit meet the fault; of several faults that fit, the one set first. */
  fail (fits: (call: Call) => boolean, fault: Fault, times?: number): void
  /** Everything is passed on again. What was never answered stays so. */
  heal (): void
}

export const isPatch = ({ method, path, query }: Call): boolean =>
  method === 'PATCH' && path.endsWith('/ephemeralcontainers') && !query.has('dryRun')
export const isReview = ({ path }: Call): boolean => /\/(?:token|(?:self)?subjectaccess)reviews$/.test(path)
export const isExec = ({ path }: Call): boolean => path.endsWith('/exec')

/**
 * An HTTPS proxy on loopback, with a certificate of its own, in front of the lab's API server, which it asks with the lab's credentials: it
 * sees each call, and answers in place of the API server where a test says so. Gone with the test.
 */
export async function createApiServerProxy (t: Test): Promise<ApiServerProxy> {
  const config = loadKubeConfig({ kubeconfig: process.env.EPHEMERA_LAB_KUBECONFIG ?? labKubeconfig() })
  const { hostname, port: upstreamPort } = new URL(config.getCurrentCluster()!.server)
  const credentials: RequestOptions = {}
  await config.applyToHTTPSOptions(credentials)
  const { key, cert } = makeCertificate()
  const calls: Call[] = []
  const faults: { fits: (call: Call) => boolean, fault: Fault, left: number }[] = []
  const sockets = new Set<Socket>()

  function meet ({ method = '', url = '' }: IncomingMessage): Fault {
    const { pathname: path, searchParams: query } = new URL(url, 'https://proxy')
    const call = { method, path, query, at: performance.now() }
    calls.push(call)
    const rule = faults.find(({ fits, left }) => left > 0 && fits(call))
    if (!rule) return {}
    rule.left--
    return rule.fault
  }

  /** The same request to the API server. A token is the caller's own; without one the lab's certificate is shown. */
  const passOn = ({ method, url, headers }: IncomingMessage) => request({
    ...credentials,
    ...headers.authorization === undefined ? {} : { cert: undefined, key: undefined },
    host: hostname,
    port: upstreamPort,
    method,
    path: url,
    headers: { ...credentials.headers, ...headers, host: `${hostname}:${upstreamPort}` },
    agent: false
  })

  const server = createServer({ key, cert }, async (incoming, response) => {
    incoming.on('error', () => {}) // its connection broke, and with it the response
    const { status, carriedOut = false, delayMs = 0, ...words } = meet(incoming)
    if (delayMs > 0) await sleep(delayMs)
    if (status === undefined || carriedOut) {
      const passed = passOn(incoming)
      passed.on('error', () => response.destroy())
      response.on('close', () => passed.destroy())
      incoming.pipe(passed)
      const [answer] = await once(passed, 'response').catch(() => []) as [IncomingMessage?]
      if (!answer) return
      if (status === undefined) {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        return
      }
      await once(answer.resume(), 'end')
    } else incoming.resume()
    if (status !== null && status !== undefined) refuse(response, status, words)
  })

  server.on('upgrade', async (incoming, socket: Socket, head) => {
    socket.on('error', () => {})
    const { status, delayMs = 0, ...words } = meet(incoming)
    if (delayMs > 0) await sleep(delayMs)
    if (status === null) return
    if (status !== undefined) {
      const { headers, text } = statusOf(status, words)
      const lines = Object.entries({ ...headers, 'content-length': text.length }).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.end(`HTTP/1.1 ${status} Refused\r\n${lines.join('')}\r\n${text}`)
      return
    }
    const passed = passOn(incoming)
    passed.on('error', () => socket.destroy())
    passed.on('response', () => socket.destroy()) // not upgraded: no test here is about what it said
    passed.on('upgrade', ({ headers }, upstream, upstreamHead) => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`)
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`)
      socket.write(upstreamHead)
      upstream.write(head)
      upstream.on('error', () => socket.destroy())
      upstream.on('close', () => socket.destroy())
      socket.on('close', () => upstream.destroy())
      upstream.pipe(socket).pipe(upstream)
    })
    passed.end()
  })
  server.on('secureConnection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  return {
    port,
    kubeconfig: writeKubeconfig(t, port, cert),
    calls,
    fail (fits, fault, times = Infinity) { faults.push({ fits, fault, left: times }) },
    heal () { faults.length = 0 }
  }
}

/** A Status, as the API server words it. */
function statusOf (code: number, { retryAfterSeconds, message = 'made up by a test' }: Pick<Fault, 'retryAfterSeconds' | 'message'>) {
  const headers: Record<string, string> = {
    'content-type': 'application/json', ...retryAfterSeconds === undefined ? {} : { 'retry-after': `${retryAfterSeconds}` }
  }
  return { headers, text: JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message }) }
}

function refuse (response: ServerResponse, status: number, words: Parameters<typeof statusOf>[1]): void {
  const { headers, text } = statusOf(status, words)
  response.writeHead(status, headers).end(text)
}

/** Self-signed, for loopback, for a day. */
function makeCertificate (): { key: string, cert: string } {
  const pem = execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1',
    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', '-', '-out', '-'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const part = (name: string) => new RegExp(`-----BEGIN ${name}-----[^]+?-----END ${name}-----\n`).exec(pem)![0]
  return { key: part('PRIVATE KEY'), cert: part('CERTIFICATE') }
}

function writeKubeconfig (t: Test, port: number, cert: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'ephemera-kubeconfig-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const path = join(folder, 'config')
  writeFileSync(path, JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'proxy', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': Buffer.from(cert).toString('base64') } }],
    users: [{ name: 'proxy', user: {} }],
    contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'proxy' } }],
    'current-context': 'proxy'
  }), { mode: 0o600 })
  return path
}

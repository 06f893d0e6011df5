import { ApiException, type KubeConfig } from '@kubernetes/client-node'
import WebSocket from 'ws'
import type { ContainerPlace } from '#core/ports/channel.ts'
import { checkContainer, checkNamespace, checkObject } from './names.ts'

export interface ExecSocket {
  /** To the program's standard input. */
  send (data: Buffer): void
  /** Asks the other side to close; whatever then hangs is cut after some seconds. */
  close (): void
  /** Cuts the connection at once. */
  terminate (): void
}

export interface ExecHandlers {
  stdout (data: Buffer): void
  /** The one and last call: the socket has closed, and why. */
  end (reason: string): void
}

// v4, because the API server passes it as raw bytes and translates v5 frame by frame, at half the speed.
const protocol = 'v4.channel.k8s.io'
const channelOf = { stdin: 0, stdout: 1, stderr: 2, status: 3 }
// The API server and the kubelet take no message of unlimited size.
const maxMessageBytes = 32_768
const closeMs = 1000
const handshakeMs = 10_000
const stderrTailBytes = 2000

/**
 * Executes a program in a container over a WebSocket. Resolves when the connection is upgraded, which is before the program runs; rejects
 * with an ApiException where that was refused.
 */
export async function openExecSocket (
  config: KubeConfig, place: ContainerPlace, command: readonly string[], handlers: ExecHandlers, signal: AbortSignal
): Promise<ExecSocket> {
  const options: WebSocket.ClientOptions = {}
  await config.applyToHTTPSOptions(options)
  signal.throwIfAborted()
  const cluster = config.getCurrentCluster()!
  // The library keeps its agent, and with it a client certificate, for ever. Only a proxy needs one.
  if (!cluster.proxyUrl) delete options.agent
  const socket = new WebSocket(urlOf(cluster.server, place, command), [protocol], {
    ...options, perMessageDeflate: false, handshakeTimeout: handshakeMs, maxPayload: 4 << 20, followRedirects: false
  })
  return new Promise((resolve, reject) => {
    let opened = false
    let failure = ''
    let status = ''
    let stderr = ''
    const abort = () => socket.terminate()
    signal.addEventListener('abort', abort, { once: true })

    socket.on('open', () => {
      opened = true
      signal.removeEventListener('abort', abort)
      resolve({
        send (data) {
          for (let at = 0; at < data.length && socket.readyState === WebSocket.OPEN; at += maxMessageBytes) {
            // Without a callback a failed write would throw where nobody can catch it; the close event tells of it anyway.
            socket.send(Buffer.concat([Buffer.of(channelOf.stdin), data.subarray(at, at + maxMessageBytes)]), () => {})
          }
        },
        close () {
          socket.close()
          setTimeout(() => socket.terminate(), closeMs).unref()
        },
        terminate: () => socket.terminate()
      })
    })
    socket.on('message', (message: Buffer) => {
      const data = message.subarray(1)
      if (message[0] === channelOf.stdout) handlers.stdout(data)
      else if (message[0] === channelOf.stderr) stderr = (stderr + data.toString()).slice(-stderrTailBytes)
      else if (message[0] === channelOf.status) status = statusText(data.toString())
    })
    socket.on('unexpected-response', (request, response) => {
      let text = ''
      response.on('data', part => { if (text.length < 10_000) text += part })
      response.on('error', reject)
      response.on('end', () => reject(new ApiException(response.statusCode ?? 0, 'exec refused', text, flat(response.headers))))
      // Nobody else ends a request that ws has handed over.
      response.on('close', () => request.destroy())
    })
    socket.on('error', error => {
      failure = error.message
      if (!opened) reject(error)
    })
    socket.on('close', (code, reason) => {
      signal.removeEventListener('abort', abort)
      if (!opened) return reject(signal.aborted ? signal.reason : new Error(`the connection was closed before the upgrade (${code})`))
      handlers.end([status, failure, stderr.trim(), reason.toString()].find(text => text !== '') ?? `the connection was closed (${code})`)
    })
  })
}

function urlOf (server: string, { namespace, pod, container }: ContainerPlace, command: readonly string[]): string {
  const query = new URLSearchParams([
    ['container', checkContainer(container)], ['stdin', 'true'], ['stdout', 'true'], ['stderr', 'true'],
    ...command.map((part): [string, string] => ['command', part])
  ])
  return `${server.replace(/^http/, 'ws').replace(/\/$/, '')}/api/v1/namespaces/${checkNamespace(namespace)}/pods/${checkObject(pod)}/exec?${query}`
}

function statusText (json: string): string {
  try {
    const status: unknown = JSON.parse(json)
    if (typeof status === 'object' && status !== null && 'message' in status) return String(status.message)
    return ''
  } catch {
    return json.slice(0, stderrTailBytes)
  }
}

const flat = (headers: NodeJS.Dict<string | string[]>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))

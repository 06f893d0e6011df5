import { createHash, randomBytes } from 'node:crypto'
import { request as requestPlain, type IncomingMessage } from 'node:http'
import { request as requestSecure, type RequestOptions } from 'node:https'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectSecure, type ConnectionOptions } from 'node:tls'
import { ApiException, type KubeConfig } from '@kubernetes/client-node'

export interface Upgraded {
  /** Emits `data` with views that are valid during the call only. */
  socket: Socket
  /** What has come behind the answer. */
  head: Buffer
}

const handshakeMs = 10_000
/** TLS gives what it has read in pieces of 16 KiB. */
const readBytes = 16_384
const maxRefusalChars = 10_000
/** Of RFC 6455: what a server adds to the key, so that no other kind of server answers by chance. */
const acceptedBy = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Opens a WebSocket with the credentials of the kubeconfig. Rejects with an ApiException where the server refuses it, else with what broke
 * the connection, or the signal's reason.
 */
export async function upgrade (config: KubeConfig, url: URL, protocol: string, signal: AbortSignal): Promise<Upgraded> {
  const credentials: RequestOptions = {}
  await config.applyToHTTPSOptions(credentials)
  signal.throwIfAborted()
  const isSecure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port) || (isSecure ? 443 : 80)
  const key = randomBytes(16).toString('base64')
  const state = { isUpgraded: false }
  const { agent, ...withoutAgent } = credentials
  const options: RequestOptions = {
    ...withoutAgent,
    host,
    port,
    path: url.pathname + url.search,
    headers: {
      ...credentials.headers, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Protocol': protocol
    },
    // The library keeps its agent, and with it a client certificate, for ever. Only a proxy needs one.
    ...(config.getCurrentCluster()?.proxyUrl
      ? { agent }
      : { createConnection: () => connect({ servername: isIP(host) ? '' : host, ...withoutAgent, host, port, path: undefined } as ConnectionOptions, isSecure, state) })
  }
  return new Promise((resolve, reject) => {
    const request = (isSecure ? requestSecure : requestPlain)(options)
    const limit = setTimeout(() => request.destroy(new Error(`no answer to the upgrade within ${handshakeMs / 1000} s`)), handshakeMs)
    const abort = () => request.destroy(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const settled = () => {
      clearTimeout(limit)
      signal.removeEventListener('abort', abort)
    }
    request.on('upgrade', (response, socket, head) => {
      settled()
      state.isUpgraded = true
      const wrong = objection(response, key, protocol)
      if (wrong === null) return resolve({ socket: socket as Socket, head })
      socket.destroy()
      reject(new Error(wrong))
    })
    request.on('response', response => {
      // Once the answer is read, Node keeps the connection for an agent, and no request of ours has one.
      const { socket } = response
      refusal(response).then(reject, reject).finally(() => socket.destroy())
    })
    request.on('error', reject)
    request.on('close', settled)
    request.end()
  })
}

/** Reads into one buffer again and again: a buffer for each piece of a fast stream would drive full collections. */
function connect (options: ConnectionOptions, isSecure: boolean, state: { isUpgraded: boolean }): Socket {
  const buffer = Buffer.allocUnsafeSlow(readBytes)
  const onread = {
    buffer,
    callback (bytes: number): boolean {
      const view = buffer.subarray(0, bytes)
      // Until then Node's client reads, and may keep what it gets.
      socket.emit('data', state.isUpgraded ? view : Buffer.from(view))
      return true
    }
  }
  const { host, port } = options
  const socket: Socket = isSecure ? connectSecure({ ...options, onread } as ConnectionOptions) : connectPlain({ host, port: port!, onread })
  return socket.setNoDelay(true)
}

function objection ({ statusCode, headers }: IncomingMessage, key: string, protocol: string): string | null {
  const accepted = createHash('sha1').update(key + acceptedBy).digest('base64')
  if (statusCode !== 101 || headers['sec-websocket-accept'] !== accepted) return 'the answer to the upgrade is not a WebSocket\'s'
  const spoken = headers['sec-websocket-protocol']
  return spoken === protocol ? null : `the server speaks ${spoken ?? 'no protocol'} instead of ${protocol}`
}

async function refusal (response: IncomingMessage): Promise<Error> {
  let text = ''
  for await (const part of response) if (text.length < maxRefusalChars) text += part
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
  return new ApiException(response.statusCode ?? 0, 'exec refused', text, headers)
}

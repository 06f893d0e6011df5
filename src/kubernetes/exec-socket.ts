import type { KubeConfig } from '@kubernetes/client-node'
import type { ContainerPlace } from '#core/ports/channel.ts'
import { checkContainer, checkNamespace, checkObject } from './names.ts'
import { upgrade } from './upgrade.ts'
import { createFrameReader, frameOf, opcodes } from './web-socket.ts'

export interface ExecSocket {
  /** To the program's standard input. */
  send (data: Buffer): void
  /** Asks the other side to close; whatever then hangs is cut after some seconds. */
  close (): void
  /** Cuts the connection at once. */
  terminate (): void
}

export interface ExecHandlers {
  /** A view that is valid during the call only. */
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
/** What is kept of the last words: of standard error their end; a status is read as a whole, and is short. */
const tailBytes = { stderr: 2000, status: 16_384 }
const normalClosure = Buffer.of(3, 232)

/**
 * Executes a program in a container over a WebSocket. Resolves when the connection is upgraded, which is before the program runs; rejects
 * with an ApiException where that was refused. (Why not `ws`: docs/decisions/0006.)
 */
export async function openExecSocket (
  config: KubeConfig, place: ContainerPlace, command: readonly string[], handlers: ExecHandlers, signal: AbortSignal
): Promise<ExecSocket> {
  const { socket, head } = await upgrade(config, urlOf(config.getCurrentCluster()!.server, place, command), protocol, signal)
  const tails = { stderr: Buffer.alloc(0), status: Buffer.alloc(0) }
  let channel: number | undefined
  let failure = ''
  let closedBecause = ''
  let isClosing = false

  const keep = (name: keyof typeof tails, piece: Buffer) => { tails[name] = Buffer.concat([tails[name], piece]).subarray(-tailBytes[name]) }

  function send (opcode: number, payload: Uint8Array): void {
    if (!isClosing && socket.writable) socket.write(frameOf(opcode, payload))
  }

  function close (payload: Buffer = normalClosure): void {
    send(opcodes.close, payload)
    isClosing = true
    setTimeout(() => socket.destroy(), closeMs).unref()
  }

  const read = createFrameReader({
    data (piece, isFirst) {
      if (isFirst) channel = piece[0]
      const data = isFirst ? piece.subarray(1) : piece
      if (data.length === 0) return
      if (channel === channelOf.stdout) handlers.stdout(data)
      else if (channel === channelOf.stderr) keep('stderr', data)
      else if (channel === channelOf.status) keep('status', data)
    },
    control (opcode, payload) {
      if (opcode === opcodes.ping) send(opcodes.pong, payload)
      if (opcode !== opcodes.close) return
      closedBecause = payload.toString('utf8', 2) || `the connection was closed (${payload.length < 2 ? 1005 : payload.readUInt16BE()})`
      close(payload.subarray(0, 2))
      socket.end()
    }
  })
  const receive = (chunk: Buffer) => {
    try {
      read(chunk)
    } catch (error) {
      socket.destroy(error as Error)
    }
  }

  socket.on('error', error => { failure = error.message })
  socket.on('close', () => {
    const said = [statusText(tails.status.toString()), failure, tails.stderr.toString().trim(), closedBecause]
    handlers.end(said.find(text => text !== '') ?? 'the connection was closed (1006)')
  })
  socket.on('data', receive)
  if (head.length > 0) receive(head)

  return {
    send (data) {
      for (let at = 0; at < data.length; at += maxMessageBytes) {
        send(opcodes.binary, Buffer.concat([Buffer.of(channelOf.stdin), data.subarray(at, at + maxMessageBytes)]))
      }
    },
    close: () => close(),
    terminate: () => { socket.destroy() }
  }
}

function urlOf (server: string, { namespace, pod, container }: ContainerPlace, command: readonly string[]): URL {
  const query = new URLSearchParams([
    ['container', checkContainer(container)], ['stdin', 'true'], ['stdout', 'true'], ['stderr', 'true'],
    ...command.map((part): [string, string] => ['command', part])
  ])
  return new URL(`${server.replace(/\/$/, '')}/api/v1/namespaces/${checkNamespace(namespace)}/pods/${checkObject(pod)}/exec?${query}`)
}

function statusText (json: string): string {
  try {
    const status: unknown = JSON.parse(json)
    if (typeof status === 'object' && status !== null && 'message' in status) return String(status.message)
    return ''
  } catch {
    return json.slice(0, tailBytes.stderr)
  }
}

import { Problem } from '#core/errors.ts'
import type { Channel, ChannelRun, Hello, RunRequest, RunSink } from '#core/ports/channel.ts'
import { startRun, type ChannelRunState } from './channel-run.ts'
import type { ExecHandlers, ExecSocket } from './exec-socket.ts'
import { createFrameParser, ProtocolViolation } from './frame-parser.ts'
import { parseEvent, type ErrorEvent, type OutputEvent, type RunnerEvent } from './runner-event.ts'

export interface ChannelTimes {
  /** From the upgrade to the runner's first word. */
  helloMs: number
  pingEveryMs: number
  /** Without a pong for so long, the connection is half open: cut. */
  deadAfterMs: number
}
export const channelTimes: ChannelTimes = { helloMs: 10_000, pingEveryMs: 5000, deadAfterMs: 60_000 }

/** The program was executed, or tried to, but is no runner; the message is what was heard last. */
export class NoHello extends Error {
  override name = 'NoHello'
}

export const maxRuns = 64
const closeContainerMs = 5000

export interface RunnerChannel extends Channel {
  readonly isOpen: boolean
  readonly runCount: number
  /** No new run from now on; closes when the last one has ended. */
  retire (): void
  /** Closes at once; runs under way are lost. */
  close (reason: string): void
}

/**
 * A channel to `runner serve`: many runs over one socket. `connect` opens the socket; `changed` is called when a run has ended and when the
 * channel has. Rejects where no hello comes; its message is what the other side said last.
 */
export async function openChannel (
  connect: (handlers: ExecHandlers) => Promise<ExecSocket>, changed: () => void, times: ChannelTimes, signal: AbortSignal
): Promise<RunnerChannel> {
  const runs = new Map<string, ChannelRunState>()
  const hello = Promise.withResolvers<Hello>()
  hello.promise.catch(() => {})
  let greeted = false
  let isOpen = true
  let isRetired = false
  let socket: ExecSocket | null = null
  let lastPong = performance.now()
  let pinger: NodeJS.Timeout | undefined
  let announced: { run: ChannelRunState, stream: OutputEvent['stream'] } | null = null
  let closing: PromiseWithResolvers<void> | null = null

  function send (request: Record<string, unknown>, payload?: Uint8Array): void {
    if (!isOpen || !socket) return
    const hasPayload = payload !== undefined && payload.length > 0
    const line = Buffer.from(`${JSON.stringify(hasPayload ? { ...request, bytes: payload.length } : request)}\n`)
    socket.send(hasPayload ? Buffer.concat([line, payload]) : line)
  }

  /** Everything that ends a channel comes through here, once. */
  function end (reason: string, cut = true): void {
    if (!isOpen) return
    isOpen = false
    clearInterval(pinger)
    if (cut) socket?.terminate()
    hello.reject(new NoHello(reason))
    closing?.reject(new Problem('EPH_CHANNEL_LOST', `Cannot end the container: the channel ended (${reason})`))
    for (const run of runs.values()) run.lost(reason)
    runs.clear()
    changed()
  }

  function close (reason: string): void {
    socket?.close()
    end(reason, false)
  }

  function runOf (id: string, what: string): ChannelRunState {
    const run = runs.get(id)
    if (!run) throw new ProtocolViolation(`${what} of an unknown run`)
    return run
  }

  function forget (id: string): void {
    runs.delete(id)
    if (isRetired && runs.size === 0) close('the channel had reached its age')
    else changed()
  }

  function refuse (event: ErrorEvent): void {
    const { error: id, request, code, message } = event
    if (request === 'run' || request === 'read') {
      runOf(id, 'a refusal').refused(event)
      forget(id)
    } else if (request === 'close') {
      closing?.reject(new Problem(code === 'busy' ? 'EPH_CONFLICT' : 'EPH_CONTAINER_NOT_STARTED', `Cannot end the container: ${message.slice(0, 300)}`))
    } else throw new ProtocolViolation(`the runner refuses "${request}": ${code} ${message.slice(0, 300)}`)
  }

  function handle ({ kind, event }: RunnerEvent): number {
    if (!greeted && kind !== 'hello') throw new ProtocolViolation(`"${kind}" before hello`)
    switch (kind) {
      case 'hello':
        if (greeted) throw new ProtocolViolation('a second hello')
        greeted = true
        hello.resolve(event.hello)
        return 0
      case 'started': runOf(event.started, 'a start').started(); return 0
      case 'output': {
        const run = runOf(event.output, 'output')
        run.announce(event)
        announced = { run, stream: event.stream }
        return event.bytes
      }
      case 'ended':
        runOf(event.ended, 'an end').ended(event)
        forget(event.ended)
        return 0
      case 'pong': lastPong = performance.now(); return 0
      case 'closed': closing?.resolve(); return 0
      case 'error': refuse(event); return 0
    }
  }

  const parse = createFrameParser({
    line: text => handle(parseEvent(text)),
    payload: chunk => announced!.run.output(announced!.stream, chunk)
  })

  function ping (): void {
    if (performance.now() - lastPong > times.deadAfterMs) end(`no answer for ${times.deadAfterMs / 1000} s`)
    else send({ do: 'ping', n: Math.round(lastPong) })
  }

  socket = await connect({
    stdout (data) {
      if (!isOpen) return
      try {
        parse(data)
      } catch (error) {
        end(error instanceof ProtocolViolation ? `the runner broke the protocol: ${error.message}` : `unexpected: ${String(error)}`)
      }
    },
    end: reason => end(reason, false)
  })
  lastPong = performance.now()
  // Its first words may have come, and ended it, before the await did.
  if (isOpen) pinger = setInterval(ping, times.pingEveryMs)
  else socket.terminate()
  const helloLimit = setTimeout(() => end(`no hello within ${times.helloMs / 1000} s`), times.helloMs)
  const abort = () => end('nobody waits for it any more')
  signal.addEventListener('abort', abort)
  const greeting = await hello.promise.finally(() => {
    clearTimeout(helloLimit)
    signal.removeEventListener('abort', abort)
  })

  return {
    hello: greeting,
    get isOpen () { return isOpen && !isRetired },
    get runCount () { return runs.size },

    run (request: RunRequest, sink: RunSink): ChannelRun {
      const refusal = !isOpen || isRetired ? 'the channel has ended' : runs.size >= maxRuns ? `${maxRuns} runs are under way in this container` : null
      if (refusal === null && runs.has(request.id)) throw new Error(`Cannot start run "${request.id}": a run of this id is under way`)
      const run = startRun(request, sink, refusal === null ? send : () => {})
      if (refusal === null) runs.set(request.id, run)
      else run.lost(refusal)
      return run.handle
    },

    async closeContainer () {
      if (!isOpen) throw new Problem('EPH_CHANNEL_LOST', 'Cannot end the container: the channel has ended')
      closing = Promise.withResolvers()
      const limit = setTimeout(() => closing?.reject(new Problem('EPH_CHANNEL_LOST', 'Cannot end the container: the runner does not answer')), closeContainerMs)
      send({ do: 'close' })
      try {
        await closing.promise
        // The holder gets its TERM when our stdin ends.
        close('the container was ended')
      } finally {
        clearTimeout(limit)
        closing = null
      }
    },

    retire () {
      isRetired = true
      if (runs.size === 0) close('the channel had reached its age')
    },

    close
  }
}

import { createHash } from 'node:crypto'
import { Problem, type ErrorCode } from '#core/errors.ts'
import { ChannelLost, type ChannelRun, type RunEnd, type RunRequest, type RunSink, type StreamEnd } from '#core/ports/channel.ts'
import { ProtocolViolation } from './frame-parser.ts'
import type { EndedEvent, ErrorEvent, OutputEvent } from './runner-event.ts'

type Send = (request: Record<string, unknown>, payload?: Uint8Array) => void

/** One run as the channel sees it: what the runner says goes in, what the caller waits for comes out. */
export interface ChannelRunState {
  handle: ChannelRun
  started (): void
  /** Announces output: checks that it was allowed to come. */
  announce (event: OutputEvent): void
  output (stream: OutputEvent['stream'], chunk: Buffer): void
  ended (event: EndedEvent): void
  refused (event: ErrorEvent): void
  lost (reason: string): void
}

const defaultWindowBytes = 1 << 20
const defaultStderrBytes = 65_536

/** Sends the request and answers its state. Throws a ProtocolViolation from the calls that the runner's events make. */
export function startRun (request: RunRequest, sink: RunSink, send: Send): ChannelRunState {
  const { id, argv, windowBytes: window = defaultWindowBytes } = request
  const stderrLimit = request.limits?.stderr || defaultStderrBytes
  const started = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<RunEnd>()
  // Whoever asks for one of the two alone must not be killed by the other's rejection.
  started.promise.catch(() => {})
  ended.promise.catch(() => {})
  const received = { stdout: createTally(!sink.provesStdout), stderr: createTally(true) }
  let announcedStdout = 0
  let granted = window
  let owed = 0
  let isStarted = false
  let isOver = false
  let isDiscarding = false

  function demandStarted (what: string): void {
    if (!isStarted) throw new ProtocolViolation(`${what} of a run that has not started`)
  }

  function giveCredit (bytes: number): void {
    owed += bytes
    if (isOver || isDiscarding || owed < window / 2) return
    send({ do: 'credit', id, bytes: owed })
    granted += owed
    owed = 0
  }

  function stop (cause: string, graceSeconds?: number): void {
    if (!isOver) send({ do: 'stop', id, cause, ...(graceSeconds === undefined ? {} : { grace: graceSeconds }) })
  }

  // The store has failed, not the tool: the run is ended, and what still comes is of no use.
  function sinkFailed (error: unknown): void {
    if (isDiscarding) return
    isDiscarding = true
    ended.reject(error)
    stop('cancelled', 0)
  }

  function over (error: Error): void {
    isOver = true
    started.reject(error)
    ended.reject(error)
  }

  send(toFrame(request), request.stdin)
  return {
    handle: { started: started.promise, ended: ended.promise, stop },

    started () {
      if (isStarted) throw new ProtocolViolation('a run has started twice')
      isStarted = true
      started.resolve()
    },

    announce ({ stream, bytes }) {
      demandStarted('output')
      if (stream === 'stdout') {
        announcedStdout += bytes
        if (announcedStdout > granted) throw new ProtocolViolation('output beyond the window')
      } else if (received.stderr.bytes() + bytes > stderrLimit) throw new ProtocolViolation('output beyond the limit of standard error')
    },

    output (stream, chunk) {
      received[stream].add(chunk)
      if (isDiscarding) return
      try {
        const taken = sink[stream](chunk)
        if (stream === 'stderr') return
        if (taken === undefined) giveCredit(chunk.length)
        else taken.then(() => giveCredit(chunk.length), sinkFailed)
      } catch (error) {
        sinkFailed(error)
      }
    },

    ended (event) {
      demandStarted('an end')
      isOver = true
      const { exitCode, signal, endCause, killed, strays, millis, peakMemoryBytes } = event
      const [stdout, stderr] = [received.stdout.compare(event.stdout), received.stderr.compare(event.stderr)]
      const used = { durationMs: Math.round(millis), maxRssBytes: peakMemoryBytes }
      ended.resolve({ exitCode, signal, endCause, killed, stdout, stderr, strays, ...used })
    },

    refused ({ code, message }) {
      const isUnknown = code === 'bad-request' && unknownToRunner.test(message)
      const doing = `Cannot ${request.file === undefined ? 'start' : 'read'} "${request.file ?? argv[0]}"`
      const answer = `the runner answers ${code} (${message.slice(0, 300)})`
      const detail = `${doing}: ${isUnknown ? `the image is older than what is asked of it, ${answer}` : answer}`
      over(new Problem(isUnknown ? 'EPH_TOOL_MISSING' : refusals[code] ?? 'EPH_INTERNAL', detail, { effect: 'none' }))
    },

    lost (reason) {
      over(isStarted
        ? new ChannelLost(`The channel ended while "${argv[0]}" ran: ${reason}`)
        : new Problem('EPH_CHANNEL_LOST', `Cannot start "${argv[0]}": the channel ended (${reason})`))
    }
  }
}

/** What the runner's refusals mean; the last two are of files. */
const refusals: Record<string, ErrorCode> = { 'not-allowed': 'EPH_TOOL_MISSING', 'not-found': 'EPH_NOT_FOUND', unreadable: 'EPH_OUTPUT_UNREADABLE' }

/** A request, or a field of one, that came with a later runner. */
export const unknownToRunner = /^(?:no such request|json: unknown field)/

function createTally (hashes: boolean) {
  const hash = hashes ? createHash('sha256') : null
  let bytes = 0
  return {
    bytes: () => bytes,
    add (chunk: Buffer) {
      bytes += chunk.length
      hash?.update(chunk)
    },
    /** Once, at the end. */
    compare: (stated: EndedEvent['stdout']): StreamEnd => ({ ...stated, proven: stated.bytes === bytes && (hash === null || stated.sha256 === hash.digest('hex')) })
  }
}

function toFrame (request: RunRequest): Record<string, unknown> {
  const { id, file, argv, seconds, stopAfterSeconds, graceSeconds, windowBytes, limits, memoryBytes, live } = request
  if (file !== undefined) return { do: 'read', id, name: file }
  // JSON leaves undefined fields out, and the runner then takes its defaults.
  return { do: 'run', id, argv, seconds, stopAfterSeconds, grace: graceSeconds, window: windowBytes, limits, memoryBytes, live }
}

import { createHash } from 'node:crypto'
import type { EndCause } from '#core/outcome.ts'
import {
  ChannelLost,
  type Channel, type Channels, type ContainerPlace, type Hello, type PostMortem, type RunEnd, type RunRequest, type RunSink, type StopCause
} from '#core/ports/channel.ts'
import { Problem } from '#core/errors.ts'

export interface Order { cause: StopCause, graceSeconds: number | undefined }

/** A tool as a test plays it: nothing happens but what the test does. */
export interface FakeTool {
  request: RunRequest
  place: ContainerPlace
  start (): void
  /** Fulfilled when credit for it has come back. */
  say (stream: 'stdout' | 'stderr', text: string | Buffer): Promise<void>
  end (end?: Partial<RunEnd>): void
  /** The channel ends while it runs, or before it has started. */
  lose (): void
  refuse (problem: Problem): void
  /** The first order to stop. */
  stopped: Promise<Order>
  orders: Order[]
}
export type Play = (tool: FakeTool) => unknown

const hello: Hello = { version: '0.1.0', protocol: 1, uid: 64646, capabilities: [], pingGroupRange: '0 2147483647', tools: [], landlock: 6 }

function streamOf () {
  const hash = createHash('sha256')
  let bytes = 0
  return {
    add (chunk: Buffer) { bytes += chunk.length; hash.update(chunk) },
    end: () => ({ bytes, sha256: hash.copy().digest('hex'), dropped: 0, whole: true, proven: true })
  }
}

function startTool (request: RunRequest, sink: RunSink, place: ContainerPlace, play: Play) {
  const started = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<RunEnd>()
  const stopped = Promise.withResolvers<Order>()
  started.promise.catch(() => {})
  ended.promise.catch(() => {})
  const streams = { stdout: streamOf(), stderr: streamOf() }
  const orders: Order[] = []
  let isStarted = false
  const tool: FakeTool = {
    request,
    place,
    orders,
    stopped: stopped.promise,
    start () { isStarted = true; started.resolve() },
    async say (stream, text) {
      const chunk = Buffer.from(text)
      streams[stream].add(chunk)
      await sink[stream](chunk)
    },
    end (end = {}) {
      ended.resolve({
        exitCode: 0,
        signal: null,
        endCause: 'exited',
        killed: false,
        stdout: streams.stdout.end(),
        stderr: streams.stderr.end(),
        strays: 0,
        durationMs: 5,
        maxRssBytes: 1,
        ...end
      })
    },
    lose () {
      const error = isStarted ? new ChannelLost('The channel ended') : new Problem('EPH_CHANNEL_LOST', 'Cannot start the tool: the channel ended')
      started.reject(error)
      ended.reject(error)
    },
    refuse (problem) { started.reject(problem); ended.reject(problem) }
  }
  Promise.resolve(play(tool)).catch(error => { started.reject(error); ended.reject(error) })
  return {
    started: started.promise,
    ended: ended.promise,
    stop (cause: StopCause, graceSeconds?: number) {
      const order = { cause, graceSeconds }
      orders.push(order)
      stopped.resolve(order)
    }
  }
}

/** A tool that says one line and ends. */
export const answering = (text = 'answer\n'): Play => async tool => {
  tool.start()
  await tool.say('stdout', text)
  tool.end()
}

/** A tool that runs until it is stopped, and then ends as the runner reports it. */
export const waiting: Play = async tool => {
  tool.start()
  const { cause } = await tool.stopped
  tool.end({ endCause: cause satisfies EndCause, exitCode: null, signal: 'SIGTERM' })
}

export function createFakeChannels () {
  const fake = {
    /** What tools do; a test sets it. */
    play: answering() as Play,
    /** What opening a channel does before it succeeds: throws, or waits. */
    opening: async (_place: ContainerPlace): Promise<void> => {},
    postMortem: 'unknown' as PostMortem,
    opened: [] as ContainerPlace[],
    closed: [] as string[],
    hellos: new Map<string, Hello>(),
    requests: [] as RunRequest[]
  }
  const channels: Channels = {
    async open (place, signal) {
      signal.throwIfAborted()
      await fake.opening(place)
      signal.throwIfAborted()
      fake.opened.push(place)
      fake.hellos.set(place.node ?? '', hello)
      const channel: Channel = {
        hello,
        run (request, sink) {
          fake.requests.push(request)
          return startTool(request, sink, place, fake.play)
        },
        closeContainer: async () => { fake.closed.push(place.container) }
      }
      return channel
    },
    hellos: () => fake.hellos,
    postMortem: async () => fake.postMortem,
    close: async () => {}
  }
  return Object.assign(fake, { channels })
}

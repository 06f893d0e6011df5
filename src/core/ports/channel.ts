import type { EndCause } from '../outcome.ts'
import type { ResolverFile } from '../resolver-files.ts'

/** What the runner says of itself when a channel opens. */
export interface Hello {
  version: string
  protocol: number
  uid: number
  /** Effective ones, named as in Kubernetes: NET_RAW. */
  capabilities: string[]
  /** /proc/sys/net/ipv4/ping_group_range: "1 0" means that ping needs NET_RAW. */
  pingGroupRange: string
  tools: string[]
  /** Landlock version of the kernel; 0: tools are not confined. */
  landlock: number
}

export interface RunRequest {
  id: string
  /** What is executed; with `file`, only what the run is called. */
  argv: string[]
  /** The runner itself reads this file of the pod, in place of a tool. */
  file?: ResolverFile
  /** Deadline in the pod. */
  seconds: number
  /** A planned end before the deadline. */
  stopAfterSeconds?: number
  graceSeconds?: number
  windowBytes?: number
  /** stdout 0: none, the window alone holds it back. */
  limits?: { stdout: number, stderr: number }
  memoryBytes?: number
  stdin?: Uint8Array
  /** Small output is sent at once instead of being gathered. */
  live?: boolean
}

/**
 * Takes output as it comes, in views that are valid during the call only: what is kept must be copied. Credit for stdout goes back when the
 * promise is fulfilled; stderr is bounded by its limit.
 */
export interface RunSink {
  /** The sink compares the SHA-256 of stdout itself, with what it has stored: hashing a fast stream twice would slow it down. */
  readonly provesStdout?: boolean
  stdout (chunk: Buffer): void | Promise<void>
  stderr (chunk: Buffer): void
}

export interface StreamEnd {
  /** As the runner states it. */
  bytes: number
  sha256: string
  dropped: number
  /** The stream's end was reached and nothing of it was dropped. */
  whole: boolean
  /** Bytes and hash equal what arrived here; bytes alone where the sink proves the hash itself. */
  proven: boolean
}

export interface RunEnd {
  exitCode: number | null
  signal: string | null
  endCause: EndCause
  /** The tool did not end within its grace after TERM. */
  killed: boolean
  stdout: StreamEnd
  stderr: StreamEnd
  /** Descendants that outlived the tool and were killed. */
  strays: number
  durationMs: number
  maxRssBytes: number
}

export type StopCause = 'finished' | 'cancelled' | 'shutdown'

/** The channel ended while the tool ran: what arrived is all there will be, and what the tool did is unknown. */
export class ChannelLost extends Error {
  override name = 'ChannelLost'
}

export interface ChannelRun {
  /**
   * Rejects with EPH_CHANNEL_LOST (effect none) when the channel ends before; EPH_TOOL_MISSING where the image lacks the tool,
   * EPH_NOT_FOUND where the pod lacks the file.
   */
  started: Promise<void>
  /** Rejects as `started` does; with ChannelLost when the channel ends after that; with what the sink threw or rejected with. */
  ended: Promise<RunEnd>
  stop (cause: StopCause, graceSeconds?: number): void
}

/** Where a container of ours is. */
export interface ContainerPlace {
  namespace: string
  pod: string
  podUid: string
  node: string | null
  container: string
}

export interface Channel {
  readonly hello: Hello
  run (request: RunRequest, sink: RunSink): ChannelRun
  /** Ends the holder, and with it the container. Rejects with EPH_CONFLICT while runs are under way. */
  closeContainer (): Promise<void>
}

/** Why a channel that was lost is lost, as the pod's status tells it. */
export type PostMortem = 'oom' | 'containerEnded' | 'podGone' | 'nodeGone' | 'unknown'

export interface Channels {
  /**
   * A channel to the runner in the container: a living one of this process, or a new one. Tries every 50 ms for 2 s, then more slowly,
   * while a watch on the pod tells why it cannot start: EPH_IMAGE_PULL, EPH_CONTAINER_NOT_STARTED, EPH_IMAGE_WITHOUT_RUNNER,
   * EPH_POD_GONE, EPH_CHANNEL_LOST.
   */
  open (place: ContainerPlace, signal: AbortSignal): Promise<Channel>
  /** What the runner said when this process last opened a channel on each node. */
  hellos (): ReadonlyMap<string, Hello>
  postMortem (place: ContainerPlace, signal?: AbortSignal): Promise<PostMortem>
  close (): Promise<void>
}

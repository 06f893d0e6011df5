import type { EndCause } from './outcome.ts'
import type { PodSummary } from './target.ts'

/** What a tool said. Text is cut at the run's limit; `line` numbers of evidence count from 1 in `stdout`. */
export interface ToolOutput {
  stdout: string
  stderr: string
  exitCode: number | null
  endCause: EndCause
  durationMs: number
}

export interface RunOptions {
  stdin?: string
  /** Largest address space of the tool; the runner's default otherwise. */
  memoryBytes?: number
}

/** Reads a stream as it is stored, in constant memory, and says at its end what is missing. */
export interface StreamCheck {
  push (chunk: Uint8Array): void
  /** Null when the stream is whole; else what is wrong with it, in words. */
  end (stderr: string): string | null
}

export interface CaptureOptions {
  /** pcap; artifact kinds are an open set. */
  kind: string
  contentType: string
  /** A planned end: the tool is asked to stop, and what it has counts as finished. */
  stopAfterSeconds: number
  /** The stream is ended, as planned, once it is at least this long. */
  maxBytes: number
  /** How long the tool may hold back what it has seen: a planned end by time, finish or shutdown comes so much later, to lose nothing. */
  drainSeconds: number
  /** When standard error fits, the event run{phase: listening} is sent. */
  listening: RegExp
  check: StreamCheck
}

export interface CaptureOutput {
  stderr: string
  exitCode: number | null
  endCause: EndCause
  durationMs: number
  artifactId: string
  sizeBytes: number
  sha256: string
  /** Whether maxBytes, not the time, ended it. */
  reachedMaxBytes: boolean
}

/**
 * All that a diagnostic gets from outside. Calls reject with a Problem when the measurement cannot go on; the runs they made are kept.
 * The order of run and capture calls numbers them from 0, which is what evidence refers to.
 */
export interface Probe {
  /** The pod that is measured, as preflight read it. */
  readonly pod: PodSummary
  /** The container the question is about. */
  readonly targetContainer: string
  run (argv: string[], options?: RunOptions): Promise<ToolOutput>
  capture (argv: string[], options: CaptureOptions): Promise<CaptureOutput>
  /**
   * Sets aside the report as it stands, for diagnostics of several runs: should the output of a later run be cut or unreadable, this is
   * judged in its place, and an error that a proven run showed still counts.
   */
  keep (report: Record<string, unknown>): void
}

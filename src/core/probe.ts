import type { AddressNames } from './address.ts'
import type { Problem } from './errors.ts'
import type { JudgedFinding } from './finding.ts'
import type { EndpointSummary, NetworkPolicySummary, ServiceSummary } from './objects.ts'
import type { EndCause } from './outcome.ts'
import type { Reading } from './reading.ts'
import type { ResolverFile } from './resolver-files.ts'
import type { PodSummary } from './target.ts'

/** What a tool said. Text is cut at the run's limit; `line` numbers of evidence count from 1 in `stdout`. */
export interface ToolOutput {
  stdout: string
  stderr: string
  exitCode: number | null
  endCause: EndCause
  durationMs: number
  /** Its number among the runs of this diagnostic, from 0, as evidence says it. */
  run: number
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
  /** How long the tool may hold back what it has seen: a planned end by time or finish comes so much later, to lose nothing. */
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
  run: number
  artifactId: string
  sizeBytes: number
  sha256: string
  /** Whether maxBytes, not the time, ended it. */
  reachedMaxBytes: boolean
}

export interface FileContent {
  /** Null: there is no such file. */
  text: string | null
  run: number
}

/**
 * Objects of the API server, read in the name of the caller: each call rejects with EPH_FORBIDDEN, which names the missing rule, where the
 * caller lacks the right in Kubernetes. What the parameters name belongs into `reads` of the diagnostic, so that it is refused before a job
 * exists; what is only found out later is asked of `may` first. Null: there is none.
 */
export interface ObjectReader {
  may (reading: Reading): Promise<boolean>
  pod (namespace: string, name: string): Promise<PodSummary | null>
  pods (namespace: string, labels: Record<string, string>): Promise<PodSummary[]>
  service (namespace: string, name: string): Promise<ServiceSummary | null>
  /** The addresses of all EndpointSlices of a Service. */
  endpoints (namespace: string, service: string): Promise<EndpointSummary[]>
  networkPolicies (namespace: string): Promise<NetworkPolicySummary[]>
}

/** What another diagnostic found as a step of this one. */
export interface StepResult {
  /** As far as it came. */
  report: Record<string, unknown>
  /** The numbers of runs in their evidence are those of this diagnostic, as of its own calls. */
  findings: JudgedFinding[]
  /** Its first run, and how many it made: where the report numbers runs, it counts from this one. */
  firstRun: number
  runCount: number
  /** An output that was cut or cannot be read: what follows from it is for this diagnostic to say. Throw it when the report is kept. */
  problem: Problem | null
}

/**
 * All that a diagnostic gets from outside. Calls reject with a Problem when the measurement cannot go on; the runs they made are kept.
 * The order of run, capture and readFile calls numbers them from 0, which is what evidence refers to.
 */
export interface Probe {
  /** The pod that is measured, as preflight read it. */
  readonly pod: PodSummary
  /** The container the question is about. */
  readonly targetContainer: string
  run (argv: string[], options?: RunOptions): Promise<ToolOutput>
  capture (argv: string[], options: CaptureOptions): Promise<CaptureOutput>
  /** One of the resolver files, read by the runner itself; proven and kept as every run is. */
  readFile (name: ResolverFile): Promise<FileContent>
  readonly objects: ObjectReader
  /**
   * Who has these addresses, all null where nobody known does or the caller may not read it; in the order of `ips`. Never rejects because
   * of a missing right.
   */
  nameAddresses (ips: string[]): Promise<AddressNames[]>
  /** Measures and judges by another diagnostic, one of `steps`, in the same session. Rejects as it does, where it left no report. */
  step (diagnostic: string, params: Record<string, unknown>): Promise<StepResult>
  /**
   * Sets aside the report as it stands, for diagnostics of several runs: should the output of a later run be cut or unreadable, this is
   * judged in its place, and an error that a proven run showed still counts.
   */
  keep (report: Record<string, unknown>): void
}

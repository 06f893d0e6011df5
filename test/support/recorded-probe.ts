import { randomUUID } from 'node:crypto'
import type { CaptureOutput, Probe, ToolOutput } from '#core/probe.ts'
import type { PodSummary } from '#core/target.ts'

export type RecordedRun = Partial<ToolOutput>
export interface RecordedCapture extends Partial<CaptureOutput> { stream: Uint8Array }

/** A pod as preflight reads it; only what a test cares about has to be said. */
export const examplePod = (rest: Partial<PodSummary> = {}): PodSummary => ({
  namespace: 'shop',
  name: 'web',
  uid: '0199c0de-0000-4000-8000-000000000001',
  node: 'node-1',
  zone: null,
  phase: 'Running',
  ready: true,
  deleting: false,
  static: false,
  hostNetwork: false,
  hostPID: false,
  shareProcessNamespace: false,
  os: 'linux',
  owner: null,
  revision: null,
  labels: {},
  annotations: {},
  podIPs: ['10.244.0.6'],
  containers: [],
  sidecars: [],
  ephemeral: [],
  restarts: 0,
  pullSecrets: [],
  ...rest
})

/**
 * A probe that answers each call with the next recording, and keeps what it was asked. As in the real one, a capture whose check finds
 * something missing ends the measurement.
 */
export function recordedProbe (recordings: (RecordedRun | RecordedCapture)[]) {
  const left = [...recordings]
  const argvs: string[][] = []
  const kept: Record<string, unknown>[] = []
  function next<T> (argv: string[]): T {
    argvs.push(argv)
    const recording = left.shift()
    if (!recording) throw new Error(`Nothing is recorded for ${argv.join(' ')}`)
    return recording as T
  }
  const probe: Probe = {
    pod: examplePod(),
    targetContainer: 'app',
    async run (argv) {
      return { stdout: '', stderr: '', exitCode: 0, endCause: 'exited', durationMs: 5, ...next<RecordedRun>(argv) }
    },
    async capture (argv, { check }) {
      const { stream, stderr = '', ...rest } = next<RecordedCapture>(argv)
      check.push(stream)
      const wrong = check.end(stderr)
      if (wrong !== null) throw new Error(wrong)
      return {
        stderr,
        exitCode: 0,
        endCause: 'finished',
        durationMs: 11_200,
        artifactId: randomUUID(),
        sizeBytes: stream.length,
        sha256: '',
        reachedMaxBytes: false,
        ...rest
      }
    },
    keep (report) { kept.push(structuredClone(report)) }
  }
  return { probe, argvs, kept }
}

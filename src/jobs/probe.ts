import type { Probe } from '#core/probe.ts'
import { captureStream } from './capture-stream.ts'
import { collectOutput } from './collect-output.ts'
import type { Measurement } from './measurement.ts'
import { runTool, type ToolRequest } from './run-tool.ts'

const outputLimit = 1 << 20
const captureGraceSeconds = 5

/** The probe that a diagnostic measures with: tools in the session, their output on the way into the stores. */
export function createProbe (measurement: Measurement): Probe {
  const { pod, targetContainer } = measurement
  return {
    pod,
    targetContainer,

    async run (argv, { stdin, memoryBytes } = {}) {
      const request: ToolRequest = {
        argv,
        limits: { stdout: outputLimit, stderr: outputLimit },
        ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
        ...(memoryBytes === undefined ? {} : { memoryBytes })
      }
      let output: ReturnType<typeof collectOutput> | undefined
      const { end, endCause } = await runTool(measurement, {
        request,
        stoppable: false,
        sinks: run => { output = collectOutput(measurement, run); return output }
      })
      const { stdout, stderr } = output!.texts()
      return { stdout, stderr, exitCode: end.exitCode, endCause, durationMs: end.durationMs }
    },

    async capture (argv, options) {
      const stream = captureStream(measurement, options)
      const { end, endCause } = await runTool(measurement, {
        request: {
          argv,
          stopAfterSeconds: options.stopAfterSeconds + options.drainSeconds,
          graceSeconds: captureGraceSeconds,
          windowBytes: stream.windowBytes,
          limits: { stdout: 0, stderr: outputLimit }
        },
        stoppable: true,
        sinks: stream.open
      }).finally(stream.discard)
      return { ...stream.result(), exitCode: end.exitCode, endCause, durationMs: end.durationMs }
    },

    keep (report) { measurement.kept = report }
  }
}

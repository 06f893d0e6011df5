import type { Probe } from '#core/probe.ts'
import { captureStream } from './capture-stream.ts'
import { collectOutput } from './collect-output.ts'
import type { Measurement } from './measurement.ts'
import { runTool, type ToolRequest } from './run-tool.ts'

const outputLimit = 1 << 20

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
        capture: false,
        sinks: ({ id }) => { output = collectOutput(measurement, id); return output }
      })
      const { stdout, stderr } = output!.texts()
      return { stdout, stderr, exitCode: end.exitCode, endCause, durationMs: end.durationMs }
    },

    async capture (argv, options) {
      const stream = captureStream(measurement, options)
      const { end, endCause } = await runTool(measurement, {
        request: {
          argv,
          stopAfterSeconds: options.stopAfterSeconds,
          graceSeconds: 5,
          windowBytes: 4 << 20,
          limits: { stdout: 0, stderr: outputLimit }
        },
        capture: true,
        sinks: stream.open
      })
      return { ...stream.result(), exitCode: end.exitCode, endCause, durationMs: end.durationMs }
    },

    keep (report) { measurement.kept = report }
  }
}

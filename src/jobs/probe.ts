import { asProblem } from '#core/errors.ts'
import type { Probe, RunOptions, ToolOutput } from '#core/probe.ts'
import { captureStream } from './capture-stream.ts'
import { collectOutput } from './collect-output.ts'
import type { Measurement } from './measurement.ts'
import { nameAddresses } from './name-addresses.ts'
import { createObjectReader } from './read-objects.ts'
import { runTool, type ToolRequest } from './run-tool.ts'
import { takeStep } from './take-step.ts'

const outputLimit = 1 << 20
const captureGraceSeconds = 5

/** The probe that a diagnostic measures with: tools in the session, their output on the way into the stores. */
export function createProbe (measurement: Measurement): Probe {
  const { pod, targetContainer, claim: { principal: caller }, orders: { signal } } = measurement

  async function collect (request: Pick<ToolRequest, 'argv' | 'file'>, { stdin, memoryBytes }: RunOptions = {}): Promise<ToolOutput> {
    let output: ReturnType<typeof collectOutput> | undefined
    const { end, endCause, run } = await runTool(measurement, {
      request: {
        ...request,
        limits: { stdout: outputLimit, stderr: outputLimit },
        ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
        ...(memoryBytes === undefined ? {} : { memoryBytes })
      },
      stoppable: false,
      sinks: opened => { output = collectOutput(measurement, opened); return output }
    })
    const { stdout, stderr } = output!.texts()
    return { stdout, stderr, exitCode: end.exitCode, endCause, durationMs: end.durationMs, run }
  }

  return {
    pod,
    targetContainer,
    objects: createObjectReader(measurement, caller, signal),
    nameAddresses: ips => nameAddresses(measurement, ips, { caller, namespace: pod.namespace, signal }),
    step: (name, params) => takeStep(measurement, { name, params, createProbe }),
    run: (argv, options) => collect({ argv }, options),

    async readFile (file) {
      const run = measurement.runIds.length
      try {
        return { text: (await collect({ argv: ['read', file], file })).stdout, run }
      } catch (error) {
        if (asProblem(error).code === 'EPH_NOT_FOUND') return { text: null, run }
        throw error
      }
    },

    async capture (argv, options) {
      const stream = captureStream(measurement, options)
      const { end, endCause, run } = await runTool(measurement, {
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
      return { ...stream.result(), exitCode: end.exitCode, endCause, durationMs: end.durationMs, run }
    },

    keep (report) { measurement.kept = report }
  }
}

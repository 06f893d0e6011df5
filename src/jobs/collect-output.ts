import { createHash } from 'node:crypto'
import type { RunEnd } from '#core/ports/channel.ts'
import type { Run } from '#core/run.ts'
import type { Measurement } from './measurement.ts'
import { createOutputWriter } from './output-writer.ts'
import type { OpenedRun, Sinks } from './run-tool.ts'

type OutputWriter = ReturnType<typeof createOutputWriter>

export function openWriter ({ database, claim }: Measurement, { id, row }: OpenedRun, stream: 'stdout' | 'stderr'): OutputWriter {
  return createOutputWriter({ runs: database.runs, run: { id, jobId: claim.jobId }, stream, row })
}

/** What is told of a text stream: the runner's hash where it is known, else that of what arrived. */
export function describeText (name: 'stdout' | 'stderr', writer: OutputWriter, end: RunEnd | null): Run['streams'][number] {
  return {
    name,
    receivedBytes: writer.bytes,
    sha256: end?.[name].proven ? end[name].sha256 : createHash('sha256').update(writer.raw()).digest('hex'),
    storedBytes: writer.bytes,
    redactions: 0
  }
}

/** Both streams of a tool as text, kept for the report and stored as they come. */
export function collectOutput (measurement: Measurement, run: OpenedRun): Sinks & { texts (): { stdout: string, stderr: string } } {
  const stdout = openWriter(measurement, run, 'stdout')
  const stderr = openWriter(measurement, run, 'stderr')
  return {
    readyToEnd: async () => {},
    stdout: chunk => { stdout.write(chunk) },
    stderr: chunk => { stderr.write(chunk) },
    async close (end, cause) {
      const last = (await Promise.all([stdout.end(), stderr.end()])).flat()
      return { cause, last, streams: [describeText('stdout', stdout, end), describeText('stderr', stderr, end)] }
    },
    texts: () => ({ stdout: stdout.raw().toString('utf8'), stderr: stderr.raw().toString('utf8') })
  }
}

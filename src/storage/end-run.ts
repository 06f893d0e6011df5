import type { EndedRun } from '#core/ports/storage.ts'
import { cleanText, toJsonText } from './json-text.ts'
import type { Querier } from './postgres.ts'

/** What end_run() and finish_alone() take: the end of a run, and the last pieces of its streams. */
export function endParameters ({ id, result, agoMs }: EndedRun): [string, Uint8Array | null, Uint8Array | null] {
  const { exitCode, signal, endCause, durationMs, completeness, streams, unwritten } = result
  const piece = (name: string) => unwritten?.output.find(({ stream }) => stream === name)
  const [stdout, stderr] = [piece('stdout'), piece('stderr')]
  const ending = {
    run: id,
    agoMs,
    hasStarted: unwritten?.started ?? false,
    outStart: stdout?.offset ?? null,
    errStart: stderr?.offset ?? null,
    result: {
      exit_code: exitCode,
      signal: signal && cleanText(signal),
      end_cause: endCause,
      duration_ms: durationMs === null ? null : Math.round(durationMs),
      completeness,
      streams
    }
  }
  return [toJsonText(ending), stdout?.bytes ?? null, stderr?.bytes ?? null]
}

/** Answers the job of the run; null where it has ended already. */
export async function endRun (db: Querier, ended: EndedRun): Promise<string | null> {
  const [row] = await db.rows<{ job: string | null }>('SELECT end_run($1, $2, $3) AS job', endParameters(ended))
  return row?.job ?? null
}

import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Finding, RawFinding } from '#core/finding.ts'

/** What `judge` gave, with what the catalogue knows of each code and the runs that its evidence numbers. */
export function toFindings (diagnostic: AnyDiagnostic, raw: RawFinding[], { pod, runIds }: { pod: string, runIds: string[] }): Finding[] {
  return raw.map(({ code, message, data = {}, evidence = [] }) => {
    const definition = diagnostic.findings[code]
    if (!definition) throw new TypeError(`${diagnostic.name} judged ${code}, which it does not define`)
    return {
      code,
      severity: definition.severity,
      message,
      data,
      pods: [pod],
      count: 1,
      diagnostic: diagnostic.name,
      evidence: evidence.flatMap(({ run, ...place }) => {
        const runId = runIds[run]
        return runId === undefined ? [] : [{ runId, ...place }]
      }),
      remedy: definition.remedy
    }
  })
}

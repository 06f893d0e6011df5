import type { AnyDiagnostic, Catalogue } from '#core/diagnostic.ts'
import type { Finding, RawFinding } from '#core/finding.ts'

/** What a code stands for: by the step that found it, else by the diagnostic itself. */
export function definitionOf (catalogue: Catalogue, outer: AnyDiagnostic, { code, diagnostic: step }: RawFinding) {
  const diagnostic = step === undefined || step === outer.name ? outer : catalogue.get(step)
  const definition = diagnostic?.findings[code]
  if (!definition) throw new TypeError(`${outer.name} judged ${code}, which ${diagnostic?.name ?? step} does not define`)
  return { ...definition, diagnostic: diagnostic.name }
}

interface Where { catalogue: Catalogue, pod: string, runIds: string[] }

/** What `judge` gave, with what the catalogue knows of each code and the runs that its evidence numbers. */
export function toFindings (outer: AnyDiagnostic, raw: RawFinding[], { catalogue, pod, runIds }: Where): Finding[] {
  return raw.map(finding => {
    const { code, message, data = {}, evidence = [] } = finding
    const { severity, diagnostic, remedy } = definitionOf(catalogue, outer, finding)
    return {
      code,
      severity,
      message,
      data,
      pods: [pod],
      count: 1,
      diagnostic,
      evidence: evidence.flatMap(({ run, ...place }) => {
        const runId = runIds[run]
        return runId === undefined ? [] : [{ runId, ...place }]
      }),
      remedy
    }
  })
}

import { Value } from 'typebox/value'
import { checkParams } from '#core/check-params.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { verdictOf } from '#core/finding.ts'
import { definitionOf } from '#jobs/findings.ts'
import { recordedProbe, type RecordedCapture, type RecordedRun, type RecordedWorld } from './recorded-probe.ts'

/** Measures and judges as the engine does, with recordings in place of a pod. The report must fit its schema, no more and no less. */
export async function measure (
  diagnostic: AnyDiagnostic, input: Record<string, unknown>, recordings: (RecordedRun | RecordedCapture)[], world: RecordedWorld = {}
) {
  const params = checkParams(diagnostic, input)
  const { probe, argvs, kept } = recordedProbe(recordings, { diagnostic, ...world })
  const report = await diagnostic.measure(params, probe)
  const [wrong] = [...Value.Errors(diagnostic.report, report)]
  if (wrong) throw new Error(`The report does not fit its schema at ${wrong.instancePath}: ${wrong.message}`)
  const unsaid = Object.keys(report).filter(field => !(field in diagnostic.report.properties))
  if (unsaid.length > 0) throw new Error(`The report has fields that its schema does not know: ${unsaid.join(', ')}`)
  const findings = diagnostic.judge(report, params)
  const codes = findings.map(({ code }) => code)
  const catalogue = world.catalogue ?? new Map<string, AnyDiagnostic>()
  return { argvs, kept, report, findings, codes, verdict: verdictOf(findings.map(finding => definitionOf(catalogue, diagnostic, finding))) }
}

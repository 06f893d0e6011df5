import { checkParams } from '#core/check-params.ts'
import { profilesOf, type AnyDiagnostic } from '#core/diagnostic.ts'
import { asProblem } from '#core/errors.ts'
import type { Probe, StepResult } from '#core/probe.ts'
import { isUnusable } from './ending.ts'
import { definitionOf } from './findings.ts'
import type { Measurement } from './measurement.ts'

interface Step {
  name: string
  params: Record<string, unknown>
  createProbe: (measurement: Measurement) => Probe
}

/** What a step may not do where the diagnostic around it does not; what stands here is also asked of the catalogue by a test. */
export function demandCovered (outer: AnyDiagnostic, step: AnyDiagnostic): void {
  const tooMuch = [
    !outer.steps?.includes(step.name) && 'is not among its steps',
    step.right !== outer.right && `takes the right for ${step.right}`,
    step.payload && !outer.payload && 'stores payload',
    outer.retrySafe && !step.retrySafe && 'must not be tried twice',
    step.sharesProcesses && !outer.sharesProcesses && 'shares processes'
  ].filter(reason => reason !== false)
  if (tooMuch.length > 0) throw new TypeError(`${outer.name} cannot take ${step.name} as a step: that ${tooMuch.join(', ')}`)
}

/** Another diagnostic in the same session, with runs of its own that count as this one's too. */
export async function takeStep (measurement: Measurement, { name, params: input, createProbe }: Step): Promise<StepResult> {
  const { catalogue, diagnostic: outer, acquired: { session } } = measurement
  const diagnostic = catalogue.get(name)
  if (!diagnostic) throw new TypeError(`${outer.name} cannot take ${name} as a step: the catalogue does not have it`)
  demandCovered(outer, diagnostic)
  const params = checkParams(diagnostic, input)
  if (!profilesOf(diagnostic, params).includes(session.profile)) {
    throw new TypeError(`${outer.name} cannot take ${name} as a step: it does not measure with profile ${session.profile}`)
  }

  const firstRun = measurement.runIds.length
  const inner: Measurement = { ...measurement, diagnostic, runIds: [], kept: null }
  const { report, problem } = await diagnostic.measure(params, createProbe(inner)).then(
    report => ({ report, problem: null }),
    (error: unknown) => {
      if (!isUnusable(error) || !inner.kept) throw error
      return { report: inner.kept, problem: asProblem(error) }
    }
  ).finally(() => { measurement.runIds.push(...inner.runIds) })

  const findings = diagnostic.judge(report, params).map(finding => {
    const { code, message, data = {}, evidence = [] } = finding
    const { severity, diagnostic: foundBy } = definitionOf(catalogue, diagnostic, finding)
    const places = evidence.map(({ run, ...place }) => ({ run: firstRun + run, ...place }))
    return { code, severity, message, data, evidence: places, diagnostic: foundBy }
  })
  return { report, findings, firstRun, runCount: inner.runIds.length, problem }
}

import { Type, type Static } from 'typebox'
import { Id } from './schema.ts'

export const severities = ['error', 'unknown', 'warning', 'info'] as const
export type Severity = typeof severities[number]

export const verdicts = ['pass', 'warn', 'fail', 'inconclusive'] as const
export type Verdict = typeof verdicts[number]

export const Evidence = Type.Object({
  runId: Type.Optional(Id),
  line: Type.Optional(Type.Integer({ minimum: 1, description: 'Line of the run\'s standard output, from 1' })),
  packet: Type.Optional(Type.Integer({ minimum: 1, description: 'Number of the packet in the capture, from 1' }))
}, { description: 'Where in the evidence a finding can be seen' })
export type Evidence = Static<typeof Evidence>

export const Finding = Type.Object({
  code: Type.String({ description: 'Stable code of the finding, as DNS_NXDOMAIN' }),
  severity: Type.Enum(severities, { description: 'error makes the verdict fail, unknown inconclusive, warning warn' }),
  message: Type.String({ description: 'What was found, for people' }),
  data: Type.Record(Type.String(), Type.Unknown(), { description: 'Facts of this finding' }),
  pods: Type.Array(Type.String(), { description: 'Pods in which it was found' }),
  count: Type.Integer({ minimum: 1, description: 'How many pods have it' }),
  diagnostic: Type.String({ description: 'Diagnostic that found it' }),
  evidence: Type.Array(Evidence, { description: 'Where it can be seen' }),
  remedy: Type.String({ description: 'What usually helps' })
}, { description: 'Something that was found' })
export type Finding = Static<typeof Finding>

/** What `judge` gives: the catalogue knows the rest. `run` in the evidence is the index of the run in `measure`'s order, from 0. */
export interface RawFinding {
  code: string
  message: string
  data?: Record<string, unknown>
  evidence?: { run: number, line?: number, packet?: number }[]
  /** The step that found it, whose definition of the code holds; absent: the diagnostic itself. */
  diagnostic?: string
}

/** What a step found, as the diagnostic around it may keep it in its report and hand it on as its own `judge` does. */
export interface JudgedFinding extends Required<RawFinding> { severity: Severity }

/** The verdict of a pod of which a part could not be used: what was proven can fail it, but cannot pass it. */
export const verdictOfPart = (findings: { severity: Severity }[]): Verdict => verdictOf(findings) === 'fail' ? 'fail' : 'inconclusive'

/** The verdict of one pod: error → fail, unknown → inconclusive, warning → warn, else pass; in this order. */
export function verdictOf (findings: { severity: Severity }[]): Verdict {
  const has = (severity: Severity) => findings.some(finding => finding.severity === severity)
  if (has('error')) return 'fail'
  if (has('unknown')) return 'inconclusive'
  return has('warning') ? 'warn' : 'pass'
}

import { Type, type Static } from 'typebox'
import { acceptedSchema } from './accepted-schema.ts'
import type { AnyDiagnostic } from './diagnostic.ts'
import { severities } from './finding.ts'
import { profileNames } from './profile.ts'
import { OrNull } from './schema.ts'

const JsonSchema = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description })

export const DiagnosticView = Type.Object({
  name: Type.String({ description: 'What a launch names' }),
  version: Type.String({ description: 'Grows when what it measures or finds changes' }),
  title: Type.String({ description: 'Short name for people' }),
  summary: Type.String({ description: 'What it does' }),
  symptoms: Type.Array(Type.String(), { description: 'What people say when they need it' }),
  targetKinds: Type.Array(Type.String(), { description: 'What it can be aimed at' }),
  profiles: Type.Array(Type.Enum(profileNames, { description: 'A profile' }), { description: 'Profiles it works with, preferred first' }),
  right: Type.String({ description: 'What the caller must be allowed to create' }),
  payload: Type.Boolean({ description: 'Whether what it stores may hold payload of the application' }),
  retrySafe: Type.Boolean({ description: 'Whether a second attempt does no harm' }),
  typicalSeconds: Type.Number({ description: 'How long it usually takes' }),
  examples: Type.Array(Type.Object({
    title: Type.String({ description: 'What the example is for' }),
    params: Type.Record(Type.String(), Type.Unknown(), { description: 'Parameters' })
  }), { description: 'Parameters to begin with' }),
  paramsSchema: JsonSchema('JSON Schema of the parameters'),
  reportSchema: JsonSchema('JSON Schema of the report'),
  findings: Type.Array(Type.Object({
    code: Type.String({ description: 'Stable code' }),
    severity: Type.Enum(severities, { description: 'What it does to the verdict' }),
    title: Type.String({ description: 'Short name for people' }),
    meaning: Type.String({ description: 'What it says about the network' }),
    remedy: Type.String({ description: 'What usually helps' }),
    dataSchema: OrNull(JsonSchema('JSON Schema of its data; null: not fixed'))
  }), { description: 'What it can find' }),
  allowed: OrNull(Type.Boolean({ description: 'Whether the caller may launch it in the namespace asked for; null: none was named' }))
}, { description: 'An entry of the catalogue: enough for a form, a validator and a page of documentation' })
export type DiagnosticView = Static<typeof DiagnosticView>

/** Every diagnostic resolves its pods in the same way. */
const targetKinds = ['pod', 'workload', 'service', 'labelSelector']

export function showDiagnostic (diagnostic: AnyDiagnostic, allowed: boolean | null): DiagnosticView {
  const { name, version, title, summary, symptoms, profiles, right, payload } = diagnostic
  const { retrySafe, typicalSeconds, examples, params, report } = diagnostic
  return {
    name,
    version,
    title,
    summary,
    symptoms,
    targetKinds,
    profiles: [...profiles],
    right: `create ${right}`,
    payload,
    retrySafe,
    typicalSeconds,
    examples,
    paramsSchema: acceptedSchema(params),
    reportSchema: { ...report },
    findings: Object.entries(diagnostic.findings).map(([code, finding]) => ({ code, ...finding, dataSchema: null })),
    allowed
  }
}

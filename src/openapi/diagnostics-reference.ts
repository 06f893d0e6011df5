import { Type, type TObject, type TSchema } from 'typebox'
import { acceptedSchema } from '#core/accepted-schema.ts'
import type { AnyDiagnostic, Catalogue, FindingDefinition } from '#core/diagnostic.ts'
import { jobFindings } from '#core/pods-disagree.ts'
import { describeType } from './describe-type.ts'
import { code, page, table } from './markdown.ts'

const textOf = (value: unknown) => value === undefined ? '' : code(JSON.stringify(value))

/** A row for every parameter, inner ones by their path. */
function parameterRows (schema: TSchema, within = ''): string[][] {
  if (!Type.IsObject(schema)) return []
  const { properties } = schema as TObject
  const required = acceptedSchema(schema).required as string[] | undefined ?? []
  return Object.entries(properties).flatMap(([name, property]) => {
    const path = within + name
    const { description = '', default: value } = property as { description?: string, default?: unknown }
    const inner = Type.IsArray(property) ? parameterRows(property.items, `${path}[].`) : parameterRows(property, `${path}.`)
    return [[code(path), describeType(property), required.includes(name) ? 'required' : textOf(value), description], ...inner]
  })
}

const target = { namespace: 'shop', pod: 'web' }

const exampleCall = ({ name }: AnyDiagnostic, params: Record<string, unknown>) => [
  '```sh',
  'curl -X POST "$EPHEMERA/v1/jobs" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\',
  '  -H "Prefer: wait=55" --data @- <<\'EOF\'',
  JSON.stringify({ diagnostic: name, target, params, reason: 'INC-4711' }, null, 2),
  'EOF',
  '```'
].join('\n')

const findingsTable = (findings: Record<string, FindingDefinition>) =>
  table(['code', 'severity', 'meaning', 'what helps'], Object.entries(findings).map(([finding, { severity, title, meaning, remedy }]) =>
    [code(finding), severity, `**${title}.** ${meaning}`, remedy]))

/** What an example answered, as `npm run examples` recorded it. */
type Answers = ReadonlyMap<string, { verdict: string, report: Record<string, unknown> }>

function section (diagnostic: AnyDiagnostic, answers: Answers): string[] {
  const { name, version, title, summary, symptoms, examples } = diagnostic
  const { profiles, right, payload, retrySafe, sharesProcesses, typicalSeconds } = diagnostic
  const { steps = [] } = diagnostic
  const [first, ...others] = examples
  const parameters = parameterRows(diagnostic.params)
  const answer = answers.get(name)
  return [
    `## ${name}`,
    `**${title}** (version ${version}). ${summary}.`,
    `When people say: ${symptoms.map(symptom => `*${symptom}*`).join(', ')}.`,
    [
      `- Right: ${code(`create ${right}`)} in the namespace of the target${payload ? '; reading what it stores takes `get payloads`' : ''}`,
      `- Profiles, preferred first: ${profiles.map(code).join(', ')}`,
      `- Usually takes ${typicalSeconds} s`,
      `- A second attempt after a lost connection ${retrySafe ? 'is made by itself' : 'is not made: it could do something twice'}`,
      ...(sharesProcesses ? ['- Sees the processes of the target container'] : [])
    ].join('\n'),
    '### Parameters',
    parameters.length > 0 ? table(['parameter', 'type', 'default', 'meaning'], parameters) : 'None.',
    '### Example',
    ...(first ? [`${first.title}:`, exampleCall(diagnostic, first.params)] : []),
    ...(answer ? [`The verdict is ${code(answer.verdict)}, and the pod's report:`, ['```json', JSON.stringify(answer.report, null, 2), '```'].join('\n')] : []),
    ...others.map(example => `${example.title}: ${code(JSON.stringify(example.params))}`),
    '### Findings',
    ...(steps.length > 0 ? [`Those of its steps: ${steps.map(step => `[${step}](#${step})`).join(', ')}.`] : []),
    ...(Object.keys(diagnostic.findings).length > 0 ? [findingsTable(diagnostic.findings)] : [])
  ]
}

/** docs/reference/diagnostics.md */
export function diagnosticsReference (catalogue: Catalogue, answers: Answers): string {
  const diagnostics = [...catalogue.values()]
  return page([
    '# Diagnostics',
    'What can be launched by `POST /v1/jobs` (or `launchJob` in GraphQL), what it asks for and what it can find. The same, with the JSON ' +
      'Schemas of parameters and reports, is served at `GET /v1/diagnostics`.',
    'The severity of a finding decides the verdict: `error` makes it fail, `unknown` inconclusive, `warning` warn, `info` leaves it pass.',
    table(['name', 'what it does'], diagnostics.map(({ name, summary }) => [`[${name}](#${name})`, summary])),
    ...diagnostics.flatMap(diagnostic => section(diagnostic, answers)),
    '## Findings of a job',
    'With several pods a job may also have these, whichever diagnostic it is. They change no verdict: fail if any pod fails.',
    findingsTable(jobFindings)
  ])
}

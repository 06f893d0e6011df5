import { existsSync, readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import type { TSchema } from 'typebox'
import { checkParams } from '#core/check-params.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { severities, verdictOf } from '#core/finding.ts'
import { profileNames } from '#core/profile.ts'
import { Value } from 'typebox/value'
import { definitionOf } from '#jobs/findings.ts'
import { demandCovered } from '#jobs/take-step.ts'
import { loadCatalogue } from '../src/diagnostics/catalogue.ts'
import { readExampleAnswers } from '../src/example-answers.ts'

interface Schema extends TSchema {
  type?: string
  description?: string
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  enum?: unknown[]
  patternProperties?: Record<string, Schema>
  additionalProperties?: boolean
  pattern?: string
}

const catalogue = await loadCatalogue()
const answers = readExampleAnswers(catalogue)
const folder = new URL('../src/diagnostics/', import.meta.url)
const sourceOf = ({ name }: AnyDiagnostic) => readFileSync(new URL(`${name}.ts`, folder), 'utf8')

/** Every schema inside of another, with its path. */
function * walk (schema: Schema, path: string): Generator<[string, Schema]> {
  yield [path, schema]
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield * walk(property, `${path}/${name}`)
  for (const [name, property] of Object.entries(schema.patternProperties ?? {})) yield * walk(property, `${path}/{${name}}`)
  if (schema.items) yield * walk(schema.items, `${path}[]`)
  for (const part of schema.anyOf ?? []) if (part.type !== 'null') yield * walk(part, path)
}

const schemasOf = ({ params, report }: AnyDiagnostic) => [...walk(params, '/params'), ...walk(report, '/report')]

t.test('every file of the folder is in the catalogue under its name', t => {
  const files = readdirSync(folder).filter(file => file.endsWith('.ts') && file !== 'catalogue.ts').map(file => file.replace(/\.ts$/, ''))
  t.same([...catalogue.keys()].sort(), files.sort())
  t.ok(files.length >= 2)
  for (const [name, diagnostic] of catalogue) t.equal(diagnostic.name, name)
  t.end()
})

for (const diagnostic of catalogue.values()) {
  t.test(`${diagnostic.name} has a test, texts, and a name that GraphQL can say`, t => {
    t.ok(existsSync(new URL(`diagnostics/${diagnostic.name}.test.ts`, import.meta.url)), 'a test file of its own')
    t.match(diagnostic.name, /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/)
    t.match(diagnostic.version, /^[1-9]\d*$/)
    for (const text of [diagnostic.title, diagnostic.summary, ...diagnostic.symptoms]) t.match(text, /\S.*[^.\s]$/, text)
    t.ok(diagnostic.symptoms.length > 0)
    t.ok(diagnostic.typicalSeconds > 0)
    t.ok(diagnostic.profiles.length > 0 && diagnostic.profiles.every(profile => profileNames.includes(profile)))
    if (diagnostic.sharesProcesses) t.same(diagnostic.profiles, ['restricted'], 'processes are shared with the least rights only')
    if (diagnostic.right === 'captures') t.equal(diagnostic.payload, true)
    t.end()
  })

  t.test(`${diagnostic.name} describes every field, in identifiers and without unions`, t => {
    for (const [path, schema] of schemasOf(diagnostic)) {
      if (!['/params', '/report'].includes(path) && !path.endsWith('[]')) t.match(schema.description ?? '', /\S/, `${path} is described`)
      t.match(path.split('/').at(-1)!.replaceAll('[]', ''), /^[a-z][A-Za-z0-9]*$/, `${path} is an identifier`)
      const parts = schema.anyOf ?? []
      t.ok(parts.length === 0 || (parts.length === 2 && parts.some(({ type }) => type === 'null')), `${path} is no union but with null`)
      for (const value of schema.enum ?? []) t.match(value, /^[A-Za-z_][A-Za-z0-9_]*$/, `${path} "${value}" is an identifier`)
    }
    t.end()
  })

  t.test(`${diagnostic.name} refuses unknown parameters at every depth`, t => {
    for (const [path, schema] of walk(diagnostic.params, '/params')) {
      if (schema.type === 'object' && schema.properties) t.equal(schema.additionalProperties, false, path)
      if (schema.type === 'string' && !schema.enum) t.ok(schema.pattern, `${path} has a pattern`)
      if (schema.type === 'integer' || schema.type === 'number') t.ok('minimum' in schema && 'maximum' in schema, `${path} is bounded`)
      if (schema.type === 'array') t.ok('maxItems' in schema, `${path} is bounded`)
    }
    t.end()
  })

  t.test(`${diagnostic.name} has examples that its own gate takes, and a time for each`, t => {
    t.ok(diagnostic.examples.length > 0)
    for (const { title, params } of diagnostic.examples) {
      const checked = checkParams(diagnostic, params)
      t.match(checked, params, title)
      const seconds = diagnostic.timeoutSecondsFor(checked)
      t.ok(Number.isInteger(seconds) && seconds > 0 && seconds <= 3600, `${title}: ${seconds} s`)
      const profiles = diagnostic.profilesFor?.(checked) ?? diagnostic.profiles
      t.ok(profiles.length > 0 && profiles.every(profile => diagnostic.profiles.includes(profile)))
    }
    t.end()
  })

  t.test(`${diagnostic.name} has an answer to its first example that it would give today`, t => {
    const { verdict, report } = answers.get(diagnostic.name) ?? {}
    t.strictSame([...Value.Errors(diagnostic.report, report)], [], 'npm run examples records it')
    const findings = diagnostic.judge(report!, checkParams(diagnostic, diagnostic.examples[0]!.params))
    t.equal(verdictOf(findings.map(finding => definitionOf(catalogue, diagnostic, finding))), verdict)
    t.end()
  })

  t.test(`${diagnostic.name} takes only steps that it covers`, t => {
    for (const step of diagnostic.steps ?? []) demandCovered(diagnostic, catalogue.get(step)!)
    t.end()
  })

  t.test(`${diagnostic.name} explains its findings and uses each`, t => {
    const source = sourceOf(diagnostic)
    for (const [code, { severity, title, meaning, remedy }] of Object.entries(diagnostic.findings)) {
      t.match(code, /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/)
      t.ok(severities.includes(severity))
      for (const text of [title, meaning, remedy]) t.match(text, /^[A-Z].*[^.\s]$/, text)
      t.match(source, new RegExp(`code: '${code}'`), `${code} is used`)
      const tests = readFileSync(new URL(`diagnostics/${diagnostic.name}.test.ts`, import.meta.url), 'utf8')
      t.match(tests, new RegExp(`'${code}'`), `${code} is tested`)
    }
    t.end()
  })
}

t.test('a code of a finding has one definition, whoever finds it', t => {
  const known = new Map<string, unknown>()
  for (const { name, findings } of catalogue.values()) {
    for (const [code, definition] of Object.entries(findings)) t.equal(known.get(code) ?? definition, definition, `${name} ${code}`)
    for (const [code, definition] of Object.entries(findings)) known.set(code, definition)
  }
  t.end()
})

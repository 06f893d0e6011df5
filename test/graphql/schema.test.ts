import { parse, print, printSchema, validateSchema, Kind } from 'graphql'
import t from 'tap'
import { Type } from 'typebox'
import type { AnyDiagnostic, Catalogue } from '#core/diagnostic.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'
import { toCamel, toPascal } from '../../src/graphql/identifiers.ts'
import { createGraphqlSchema } from '../../src/graphql/schema.ts'
import { sampleCatalogue, sampleEmpty, sampleLookup } from '../support/samples.ts'

const catalogueOf = (...diagnostics: AnyDiagnostic[]): Catalogue => new Map(diagnostics.map(diagnostic => [diagnostic.name, diagnostic]))
const definitionsOf = (catalogue: Catalogue) => new Map(parse(printSchema(createGraphqlSchema(catalogue))).definitions
  .map(definition => ['name' in definition ? definition.name!.value : '', print(definition)]))

t.test('the schema is valid, whatever the catalogue has', async t => {
  for (const catalogue of [sampleCatalogue, await loadCatalogue(), catalogueOf(sampleEmpty)]) {
    t.same(validateSchema(createGraphqlSchema(catalogue)), [])
  }
})

t.test('a further diagnostic renames nothing of the others', t => {
  const before = definitionsOf(sampleCatalogue)
  const after = definitionsOf(catalogueOf({ ...sampleLookup, name: 'a-new-one' }, ...sampleCatalogue.values()))
  t.ok(after.size > before.size)
  for (const [name, text] of before) if (!['DiagnosticInput', 'Report'].includes(name)) t.equal(after.get(name), text, name)
  t.end()
})

t.test('everything that callers read is described', async t => {
  const { definitions } = parse(printSchema(createGraphqlSchema(await loadCatalogue())))
  for (const definition of definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INPUT_OBJECT_TYPE_DEFINITION) continue
    for (const { name, description } of definition.fields ?? []) t.match(description?.value, /\S/, `${definition.name.value}.${name.value}`)
  }
})

t.test('a schema that GraphQL cannot say is found when the service starts, not by a caller', t => {
  const union = Type.Object({ a: Type.Union([Type.String(), Type.Integer()]) })
  t.throws(() => createGraphqlSchema(catalogueOf({ ...sampleLookup, report: union })), /union other than with null/)
  const twice = { ...sampleLookup, name: 'sample', report: Type.Object({ answers: Type.Object({ a: Type.String() }) }) }
  const other = { ...sampleLookup, name: 'sample-report', report: Type.Object({ x: Type.String() }), params: Type.Object({}) }
  t.doesNotThrow(() => createGraphqlSchema(catalogueOf(twice, other)))
  t.throws(() => createGraphqlSchema(catalogueOf(sampleLookup, { ...twice, name: 'sample_lookup' })), /two would be named SampleLookup/)
  t.end()
})

t.test('names become identifiers', t => {
  t.same(['dns-lookup', 'no-answer', 'awaitingApproval', 'a_b.c d'].map(toCamel), ['dnsLookup', 'noAnswer', 'awaitingApproval', 'aBCD'])
  t.same(['dns-lookup', 'names'].map(toPascal), ['DnsLookup', 'Names'])
  t.end()
})

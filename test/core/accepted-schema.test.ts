import t from 'tap'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { acceptedSchema } from '#core/accepted-schema.ts'
import { loadCatalogue } from '../../src/diagnostics/catalogue.ts'

t.test('asks callers for nothing that has a default, at any depth', t => {
  const port = Type.Integer({ default: 80 })
  const place = Type.Object({ host: Type.String(), port }, { additionalProperties: false })
  const schema = Type.Object({ place, places: Type.Array(place), count: Type.Integer({ default: 1 }), note: Type.Optional(Type.String()) })
  const before = JSON.stringify(schema)
  t.match(JSON.parse(JSON.stringify(acceptedSchema(schema))), {
    required: ['place', 'places'],
    properties: { place: { required: ['host'], additionalProperties: false }, places: { items: { required: ['host'] } }, count: { default: 1 } }
  })
  t.equal(JSON.stringify(schema), before, 'and leaves the schema as it is')
  t.end()
})

t.test('a validator with the schema that callers read takes every example of the catalogue', async t => {
  for (const { name, params, examples } of (await loadCatalogue()).values()) {
    const validator = Compile(JSON.parse(JSON.stringify(acceptedSchema(params))))
    for (const example of examples) t.ok(validator.Check(example.params), `${name}: ${example.title}`)
    t.notOk(validator.Check({ ...examples[0]!.params, surprise: true }), name)
  }
})

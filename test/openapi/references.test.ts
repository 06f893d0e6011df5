import t from 'tap'
import { Type } from 'typebox'
import { errorTable, type ErrorCode } from '#core/errors.ts'
import { statusOf } from '#core/problem-details.ts'
import { configurationReference } from '../../src/openapi/configuration-reference.ts'
import { describeType } from '../../src/openapi/describe-type.ts'
import { diagnosticsReference } from '../../src/openapi/diagnostics-reference.ts'
import { errorsReference } from '../../src/openapi/errors-reference.ts'
import { build } from '../support/build-app.ts'
import { sampleCatalogue } from '../support/samples.ts'

/** The cells of every row, without those of heads. */
const rowsOf = (text: string) => text.split('\n').filter(line => line.startsWith('| `')).map(line => line.slice(2, -2).split(/(?<!\\) \| ?/).map(cell => cell.trim()))

t.test('the table of errors, its page and what the service explains are one', async t => {
  const { app } = await build(t)
  const rows = rowsOf(errorsReference())
  t.same(rows.map(([code]) => code), Object.keys(errorTable).map(code => `\`${code}\``))
  for (const [name = '', ...cells] of rows) {
    const code = name.replaceAll('`', '') as ErrorCode
    const { title, remedy, retryable, effect } = errorTable[code]
    t.same(cells, [`${statusOf(code)}`, title, remedy, retryable, effect], code)
    t.same((await app.inject({ url: `/problems/${code}` })).json(), { code, status: statusOf(code), title, remedy, retryable, effect }, code)
  }
})

t.test('a diagnostic is described with everything that a caller must know', t => {
  const text = diagnosticsReference(sampleCatalogue, new Map([['sample-lookup', { verdict: 'pass', report: { took: 7 } }]]))
  const lines = text.split('\n')
  for (const line of [
    '## sample-lookup',
    '**Sample lookup** (version 1). Look a name up.',
    'When people say: *names do not resolve*.',
    '- Right: `create jobs` in the namespace of the target',
    '- Profiles, preferred first: `restricted`',
    '| `names` | list of 1 to 5: text | required | Names to resolve |',
    '| `types` | list of: `A`, `AAAA` | `["A"]` | Record types |',
    '| `server` | object |  | Server to ask |',
    '| `server.address` | text | required | Address of the server |',
    '| `server.port` | integer 1 to 65535 | `53` | Port of the server |',
    '| `SAMPLE_FAILED` | error | **No answer.** Nobody answered | Ask again |',
    'None.'
  ]) t.ok(lines.includes(line), line)
  const [, body = ''] = /<<'EOF'\n([\s\S]*?)\nEOF/.exec(text) ?? []
  t.match(JSON.parse(body), { diagnostic: 'sample-lookup', params: { names: ['web'] } })
  t.match(text, "The verdict is `pass`, and the pod's report:\n\n```json\n{\n  \"took\": 7\n}\n```")
  t.end()
})

t.test('a setting is described with what it admits and what it is without', t => {
  const rows = rowsOf(configurationReference(Type.Object({
    NEEDED: Type.String({ minLength: 1, description: 'Either | or' }),
    PORT: Type.Integer({ minimum: 0, maximum: 65535, default: 8090, description: 'Port' }),
    LATER: Type.Optional(Type.String({ description: 'Something' }))
  })))
  t.same(rows, [['`NEEDED`', 'text', 'required', 'Either \\| or'], ['`PORT`', 'integer 0 to 65535', '`8090`', 'Port'], ['`LATER`', 'text', '', 'Something']])
  t.end()
})

t.test('types are said in a few words', t => {
  for (const [schema, text] of [
    [Type.String(), 'text'], [Type.String({ maxLength: 5 }), 'text of up to 5 characters'], [Type.String({ minLength: 2, maxLength: 2 }), 'text of 2 characters'],
    [Type.Integer({ minimum: 1 }), 'integer from 1'], [Type.Number({ maximum: 2 }), 'number up to 2'], [Type.Boolean(), '`true`, `false`'],
    [Type.Array(Type.Enum(['a']), { maxItems: 3 }), 'list of up to 3: `a`'], [Type.Object({}), 'object']
  ] as const) t.equal(describeType(schema), text)
  t.end()
})

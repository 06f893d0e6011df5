import t from 'tap'
import { Type } from 'typebox'
import { checkParams } from '#core/check-params.ts'
import { defineDiagnostic } from '#core/diagnostic.ts'
import type { Problem } from '#core/errors.ts'

const diagnostic = defineDiagnostic({
  name: 'example',
  version: '1',
  title: 'Example',
  summary: 'An example',
  symptoms: [],
  profiles: ['restricted'],
  right: 'jobs',
  payload: false,
  retrySafe: true,
  sharesProcesses: false,
  typicalSeconds: 1,
  examples: [],
  params: Type.Object({
    name: Type.String({ pattern: '^[a-z]+$', maxLength: 5 }),
    count: Type.Integer({ minimum: 1, maximum: 3, default: 2 }),
    place: Type.Object({ port: Type.Integer({ default: 80 }), kind: Type.Optional(Type.Enum(['a', 'b'])) }, { additionalProperties: false, default: {} })
  }, { additionalProperties: false }),
  report: Type.Object({}),
  findings: {},
  contradictions: ({ count, place }) => count === 3 && place.kind === 'b' ? [{ pointer: '/params/count', detail: 'does not go with kind b' }] : [],
  timeoutSecondsFor: () => 1,
  measure: async () => ({}),
  judge: () => []
})

const pointersOf = (input: unknown) => {
  try {
    checkParams(diagnostic, input)
    return []
  } catch (error) {
    const { code, errors } = error as Problem
    t.equal(code, 'EPH_PARAMS_INVALID')
    return errors.map(({ pointer }) => pointer)
  }
}

t.test('fills in defaults at every depth without touching what it was given', t => {
  const input = Object.freeze({ name: 'abc' })
  t.same(checkParams(diagnostic, input), { name: 'abc', count: 2, place: { port: 80 } })
  t.same(checkParams(diagnostic, { name: 'abc', place: { kind: 'b' } }), { name: 'abc', count: 2, place: { port: 80, kind: 'b' } })
  t.same(input, { name: 'abc' })
  t.end()
})

t.test('points to each place that does not fit', t => {
  t.same(pointersOf({}), ['/params/name'])
  t.same(pointersOf(undefined), ['/params/name'])
  t.same(pointersOf({ name: 'ABC' }), ['/params/name'])
  t.same(pointersOf({ name: 'abcdef' }), ['/params/name'])
  t.same(pointersOf({ name: 'a', surprise: 1 }), ['/params/surprise'])
  t.same(pointersOf({ name: 'a', 'a/b~c': 1 }), ['/params/a~1b~0c'])
  t.same(pointersOf({ name: 'a', place: { port: 1, surprise: 1 } }), ['/params/place/surprise'])
  t.same(pointersOf({ name: 'a', place: { kind: 'c' } }), ['/params/place/kind'])
  t.same(pointersOf({ name: 'a', count: 9, place: { port: 'x' } }).sort(), ['/params/count', '/params/place/port'])
  t.end()
})

t.test('converts nothing', t => {
  for (const count of ['2', 2.5, true, null, [2], NaN, Infinity]) t.same(pointersOf({ name: 'a', count }), ['/params/count'], JSON.stringify(count))
  for (const input of [null, [], 'abc', 1, true]) {
    if (input === null) continue
    t.throws(() => checkParams(diagnostic, input), { code: 'EPH_PARAMS_INVALID' }, JSON.stringify(input))
  }
  t.end()
})

t.test('asks for contradictions only what the schema has admitted', t => {
  t.same(pointersOf({ name: 'a', count: 3, place: { kind: 'b' } }), ['/params/count'])
  t.same(pointersOf({ name: 'a', count: 3, place: { kind: 'a' } }), [])
  t.end()
})

t.test('names of the prototype are fields like any other, and unknown', t => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.same(pointersOf(JSON.parse(`{"name": "a", "${name}": {"polluted": true}}`)), [`/params/${name}`])
  }
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  t.end()
})

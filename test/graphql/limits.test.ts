import { getIntrospectionQuery } from 'graphql'
import t, { type Test } from 'tap'
import { ask } from '../support/ask.ts'
import { build, type TestApp } from '../support/build-app.ts'
import { ids } from '../support/samples.ts'

async function refused (t: Test, app: TestApp, query: string, message: RegExp, code = 'EPH_INVALID_REQUEST') {
  const { status, data, errors } = await ask(app, query)
  t.same([status, data], [400, null], `${message}`)
  t.match(errors[0], { message, extensions: { code, status: 400 } })
  t.match(app.audited.at(-1), { code, object: 'POST /graphql' })
}

const times = (count: number, text: (index: number) => string) => Array.from({ length: count }, (_, index) => text(index)).join(' ')
const job = `job(id: "${ids.job}")`

t.test('documents are as deep as the schema is useful, not deeper', async t => {
  const app = await build(t)
  const deepest = '{ jobs { edges { node { pods { nodes { runs { nodes { id } } } } } } } }'
  t.same((await ask(app, deepest)).errors, [])
  await refused(t, app, deepest.replace('{ id }', '{ completeness { state } }'), /9 fields deep, at most 8/)
  await refused(t, app, `query { ...a } fragment a on Query ${deepest.replace('{ id }', '{ ...b }')} fragment b on Run { completeness { state } }`, /9 fields deep/)
  await refused(t, app, `query a { whoami { uid } } query b ${deepest.replace('{ id }', '{ completeness { state } }')}`, /9 fields deep/)
})

t.test('aliases count', async t => {
  const app = await build(t)
  t.same((await ask(app, `{ ${times(20, index => `a${index}: whoami { uid }`)} }`)).errors, [])
  await refused(t, app, `{ ${times(21, index => `a${index}: whoami { uid }`)} }`, /21 reads, at most 20/)
  await refused(t, app, `{ ... { ...a } ...a } fragment a on Query { ${times(11, index => `a${index}: whoami { uid }`)} }`, /22 reads, at most 20/)
  await refused(t, app, `{ ${job} { ${times(500, index => `a${index}: id`)} } }`, /more than 500 fields/)
  await refused(t, app, `{ whoami { uid } } fragment unused on Job { ${times(600, () => 'id')} }`, /more than 500 fields/)
})

t.test('pages within pages count as full', async t => {
  const app = await build(t)
  t.same((await ask(app, '{ jobs(first: 50) { nodes { id state pods { nodes { pod verdict runs { nodes { id argv exitCode } } } } } } }')).errors, [], 'a full page of a portal')
  const nested = (first: string) => `query ($n: Int! = 1) { jobs(first: ${first}) { nodes { pods(first: 200) { nodes { runs(first: 200) { nodes { id } } } } } } }`
  await refused(t, app, nested('200'), /may answer \d+ fields, at most 200000/)
  await refused(t, app, nested('$n'), /ask for smaller pages/)
  await refused(t, app, `{ jobs(first: 200) { nodes { ${times(3, index => `a${index}: pods(first: 1) { pageInfo { hasNextPage } }`)} } } }`, /at most 200000/)
})

t.test('fragments that double with every step, or go in circles, are counted no further than needed', async t => {
  const app = await build(t)
  const doubling = times(40, index => `fragment f${index} on Query { ...f${index + 1} ...f${index + 1} }`)
  const since = performance.now()
  await refused(t, app, `{ ...f0 } ${doubling} fragment f40 on Query { whoami { uid } }`, /more than 500 fields/)
  await refused(t, app, `{ ...f0 } ${doubling}`, /more than 500 fields/)
  await refused(t, app, '{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }', /more than 500 fields|Cannot spread fragment/)
  await refused(t, app, `{ ${job} { ...a } } fragment a on Job { id ...a }`, /more than 500 fields|Cannot spread fragment/)
  await refused(t, app, `{ ${times(1900, () => 'x')} }`, /more than 500 fields/)
  t.ok(performance.now() - since < 20_000, 'as long as a thousand of the allowed would take')
})

t.test('long documents are refused before they are understood', async t => {
  const app = await build(t)
  await refused(t, app, `{ ${times(4001, () => 'a')} }`, /Syntax Error: Document contains more that 4000 tokens/, 'EPH_MALFORMED')
  await refused(t, app, `${'{ a '.repeat(1900)}`, /^Syntax Error/, 'EPH_MALFORMED')
  const response = await app.call({ method: 'POST', url: '/graphql', payload: { query: `{ whoami { uid } } #${'x'.repeat(65_536)}` } })
  t.match(response.json(), { status: 400, code: 'EPH_INVALID_REQUEST', errors: [{ pointer: '/query' }] })
})

t.test('a document as a tree is none', async t => {
  const app = await build(t)
  for (const query of ['{"kind":"Document","definitions":[]}', 'null', '1', '"text"', '[]']) await refused(t, app, query, /it is JSON/, 'EPH_MALFORMED')
})

t.test('the schema may be read by whoever is known, as it is in the repository anyway', async t => {
  const app = await build(t)
  const { status, data, errors } = await ask(app, getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true, specifiedByUrl: true }))
  t.same([status, errors], [200, []])
  t.match(data, { __schema: { queryType: { name: 'Query' } } })
  await refused(t, app, '{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }', /Maximum introspection depth exceeded/)
  t.equal((await app.app.inject({ method: 'POST', url: '/graphql', payload: { query: '{ __schema { queryType { name } } }' } })).statusCode, 401)
})

t.test('what does not fit the schema is refused as a whole, with every reason', async t => {
  const app = await build(t)
  const { status, errors } = await ask(app, '{ whoami { nope } nothing jobs(first: "x") { nodes { id } } }')
  t.equal(status, 400)
  t.equal(errors.length, 3)
  t.ok(errors.every(({ extensions }) => extensions.code === 'EPH_INVALID_REQUEST'))
  await refused(t, app, '{ whoami { uid }', /^Syntax Error/, 'EPH_MALFORMED')
  await refused(t, app, 'query ($id: ID!) { job(id: $id) { id } }', /"\$id" of required type "ID!" was not provided/)
  await refused(t, app, 'query a { whoami { uid } } query b { whoami { uid } }', /Must provide operation name/)
  await refused(t, app, 'subscription { jobEvents(id: "x") { seq } }', /Cannot subscribe by POST/)
  for (const root of ['shells', 'auditEvents', 'shell(id: "x")']) await refused(t, app, `{ ${root} { nodes { id } } }`, /Cannot query field/)
  for (const root of ['approveJob', 'addNote', 'openShell']) await refused(t, app, `mutation { ${root} { id } }`, /Cannot query field/)
})

t.test('the body of a request is as REST would have it: one document, nothing unknown', async t => {
  const { call } = await build(t)
  const query = '{ whoami { uid } }'
  for (const [payload, pointer] of [
    [[{ query }], ''], [{}, '/query'], [{ query: '' }, '/query'], [{ query: 1 }, '/query'], [{ query, variables: [] }, '/variables'], [{ query, variables: '{}' }, '/variables'],
    [{ query, id: 1 }, '/id'], [{ query, operationName: 1 }, '/operationName']
  ] as const) {
    const response = await call({ method: 'POST', url: '/graphql', payload })
    t.match(response.json(), { status: 400, code: 'EPH_INVALID_REQUEST' }, JSON.stringify(payload))
    t.match(response.json().errors[0].pointer, pointer)
  }
  const polite = { query: 'query a { whoami { uid } } query b { whoami { username } }', operationName: 'b', variables: null, extensions: { clientLibrary: { name: 'x' } } }
  t.same((await call({ method: 'POST', url: '/graphql', payload: polite })).json(), { data: { whoami: { username: 'ada' } } })
})

t.test('no page of another origin can send a document without being asked first', async t => {
  const { call } = await build(t)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/graphql']) {
    t.equal((await call({ method: 'POST', url: '/graphql', headers: { 'content-type': type }, payload: '{ whoami { uid } }' })).statusCode, 415, type)
  }
  t.match(await call({ url: '/graphql?query={whoami{uid}}' }), { statusCode: 405, headers: { allow: 'POST' } })
})

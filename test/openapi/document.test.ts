import type { InjectOptions } from 'fastify'
import t from 'tap'
import Schema from 'typebox/schema'
import { errorTable, Problem, type ErrorCode } from '#core/errors.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { build } from '../support/build-app.ts'
import { fakeUseCases } from '../support/fake-use-cases.ts'
import { ids, launch } from '../support/samples.ts'

interface JsonSchema {
  $ref?: string
  type?: string | string[]
  description?: string
  properties?: Record<string, JsonSchema>
  required?: string[]
  items?: JsonSchema
  anyOf?: JsonSchema[]
  enum?: unknown[]
  additionalProperties?: JsonSchema | boolean
}
interface Content { content?: Record<string, { schema: JsonSchema }> }
interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security?: object[]
  parameters?: { name: string, in: string, required?: boolean, description?: string, schema: JsonSchema }[]
  requestBody?: Content
  responses: Record<string, Content & { description: string }>
}
interface Document {
  openapi: string
  info: { title: string, version: string }
  tags: { name: string, description: string }[]
  security: object[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, JsonSchema>, securitySchemes: object }
}

const { app } = await build(t)
const document = (await app.inject({ url: '/openapi.json' })).json<Document>()
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })))
const contents = ({ requestBody, responses }: Operation) =>
  [requestBody ?? {}, ...Object.values(responses)].flatMap(({ content = {} }) => Object.values(content))

/** Every schema inside of another, with its path; references are not followed. */
function * walk (schema: JsonSchema, path: string): Generator<[string, JsonSchema]> {
  yield [path, schema]
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield * walk(property, `${path}/${name}`)
  if (schema.items) yield * walk(schema.items, `${path}[]`)
  for (const part of schema.anyOf ?? []) yield * walk(part, path)
  if (typeof schema.additionalProperties === 'object') yield * walk(schema.additionalProperties, `${path}{}`)
}
const schemas = [
  ...Object.entries(document.components.schemas).flatMap(([name, schema]) => [...walk(schema, name)]),
  ...operations.flatMap(({ operation }) => contents(operation).flatMap(({ schema }) => [...walk(schema, operation.operationId)])),
  ...operations.flatMap(({ operation }) => (operation.parameters ?? []).flatMap(({ name, schema }) => [...walk(schema, `${operation.operationId}?${name}`)]))
]

t.test('the document is one of OpenAPI 3.1, in structure', t => {
  t.equal(document.openapi, '3.1.0')
  t.match(document.info, { title: 'Ephemera', version: /^\d+\.\d+\.\d+$/ })
  t.match(document, { security: [{ bearer: [] }], components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } })
  for (const { path, operation: { operationId, parameters = [], responses } } of operations) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    t.same(parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name), names, `${path} names its parts`)
    for (const parameter of parameters) {
      t.ok(['path', 'query', 'header'].includes(parameter.in), operationId)
      t.equal(parameter.required, parameter.in === 'path', `${operationId} ${parameter.name}`)
    }
    t.notMatch(path, /:/)
    t.ok(Object.keys(responses).some(status => /^2\d\d$/.test(status)), operationId)
    for (const [status, { description }] of Object.entries(responses)) {
      t.ok(/^[2-5]\d\d$/.test(status) && description.length > 0, `${operationId} ${status}`)
    }
  }
  for (const [path, { $ref, type, properties, required = [], enum: values }] of schemas) {
    if ($ref !== undefined) t.ok($ref.replace('#/components/schemas/', '') in document.components.schemas, `${path} ${$ref}`)
    for (const one of [type ?? []].flat()) t.ok(['string', 'integer', 'number', 'boolean', 'array', 'object', 'null'].includes(one), `${path} ${one}`)
    if (values) t.ok(type === 'string' && new Set(values).size === values.length, path)
    for (const name of required) t.ok(properties && name in properties, `${path} requires ${name}`)
  }
  t.end()
})

t.test('every operation has an id of its own, a known tag, a summary, and lists its codes', t => {
  const tags = new Map(document.tags.map(({ name, description }) => [name, description]))
  for (const description of tags.values()) t.match(description, /\S/)
  const ids = operations.map(({ operation }) => operation.operationId)
  t.same(ids, [...new Set(ids)])
  for (const { operation: { operationId, summary, tags: [tag, ...others], responses, security } } of operations) {
    t.match(operationId, /^[a-z][A-Za-z]+$/)
    t.match(summary, /^[A-Z].*[^.]$/, operationId)
    t.ok(tag !== undefined && tags.has(tag) && others.length === 0, operationId)
    const failures = Object.entries(responses).filter(([status, { content }]) => Number(status) >= 400 && content && 'application/problem+json' in content)
    t.ok(failures.length > 0 || security?.length === 0, `${operationId} can fail`)
    for (const [status, { description, content }] of failures) {
      t.match(content, { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } } })
      for (const code of description.split(', ')) {
        t.ok(code in errorTable, `${operationId} ${code}`)
        t.equal(`${errorTable[code as ErrorCode].status}`, status, `${operationId} ${code}`)
      }
    }
  }
  t.end()
})

t.test('every schema that callers meet by name, and every property and parameter, is described', t => {
  for (const [name, { description }] of Object.entries(document.components.schemas)) t.match(description, /\S/, name)
  for (const [path, { properties = {} }] of schemas) {
    for (const [name, { $ref, description }] of Object.entries(properties)) t.ok($ref ?? description, `${path}/${name}`)
  }
  for (const { operation: { operationId, parameters = [] } } of operations) for (const { name, description } of parameters) t.match(description, /\S/, `${operationId} ${name}`)
  t.end()
})

t.test('the operations of the contract have their names', t => {
  const named = Object.fromEntries(operations.map(({ path, method, operation }) => [operation.operationId, `${method.toUpperCase()} ${path}`]))
  t.match(named, {
    launchJob: 'POST /v1/jobs',
    listJobs: 'GET /v1/jobs',
    getJob: 'GET /v1/jobs/{id}',
    cancelJob: 'POST /v1/jobs/{id}/cancel',
    finishJob: 'POST /v1/jobs/{id}/finish',
    streamJob: 'GET /v1/jobs/{id}/events',
    listJobPods: 'GET /v1/jobs/{id}/pods',
    closeSession: 'POST /v1/sessions/{id}/close',
    readRunOutput: 'GET /v1/runs/{id}/output',
    readArtifactContent: 'GET /v1/artifacts/{id}/content'
  })
  t.notOk(Object.keys(document.paths).some(path => path.includes('graphql')))
  t.end()
})

const places: Record<string, string> = { job: ids.job, session: ids.session, run: ids.run, artifact: ids.artifact }

/** A request that its operation takes. */
function requestFor (path: string, method: string): InjectOptions {
  const kind = /^\/v1\/(job|session|run|artifact)s/.exec(path)?.[1]
  const url = path.replace('{id}', places[kind ?? ''] ?? '').replace('{name}', 'sample-lookup').replace('{code}', 'EPH_QUOTA')
  return { method: method.toUpperCase() as 'GET', url: url === '/v1/targets' ? `${url}?namespace=shop` : url, ...(path === '/v1/jobs' && method === 'post' && { payload: launch }) }
}

/** Use cases that all fail with this problem. */
const failing = (problem: Error): UseCases =>
  Object.fromEntries(Object.keys(fakeUseCases()).map(name => [name, async () => { throw problem }])) as unknown as UseCases

t.test('what an operation is refused with is on its list', async t => {
  const { call } = await build(t)
  for (const { path, method, operation } of operations.filter(({ operation }) => operation.security?.length !== 0)) {
    const request = requestFor(path, method)
    const url = String(request.url)
    for (const attempt of [
      { ...request, headers: { authorization: 'Bearer bad' } }, { ...request, headers: { 'impersonate-user': 'root' } },
      { ...request, url: `${url}${url.includes('?') ? '&' : '?'}nope=1` }, { ...request, url: url.replace(/[0-9a-f]{12}/, 'x') }
    ]) {
      const response = await call(attempt)
      if (response.statusCode < 400) continue
      const { status, code } = response.json()
      t.match(operation.responses[status]?.description, code, `${operation.operationId} ${code}`)
    }
  }
})

t.test('what may befall any operation is on every list', async t => {
  for (const code of ['EPH_FORBIDDEN', 'EPH_INTERNAL', 'EPH_ACCOUNT_FORBIDDEN', 'EPH_CLUSTER_UNAVAILABLE', 'EPH_DATABASE_UNAVAILABLE', 'EPH_SHUTDOWN'] as const) {
    const { call } = await build(t, failing(new Problem(code, 'Cannot go on')))
    for (const { path, method, operation } of operations.filter(({ operation }) => operation.security?.length !== 0)) {
      const response = await call(requestFor(path, method))
      t.match(response.json(), { code }, operation.operationId)
      t.match(operation.responses[response.statusCode]?.description, code, operation.operationId)
    }
  }
})

/** A schema with what it refers to in the place of every reference. */
function inline (part: unknown): unknown {
  if (Array.isArray(part)) return part.map(inline)
  if (part === null || typeof part !== 'object') return part
  const { $ref } = part as JsonSchema
  if (typeof $ref === 'string') return inline(document.components.schemas[$ref.replace('#/components/schemas/', '')])
  return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, inline(inner)]))
}

t.test('answers have the media types and statuses that are documented, and fit their schemas', async t => {
  const { call } = await build(t)
  for (const { path, method, operation } of operations) {
    const response = await call(requestFor(path, method))
    const documented = operation.responses[response.statusCode]
    t.ok(documented, `${operation.operationId} ${response.statusCode} ${response.body.slice(0, 200)}`)
    const [type = ''] = String(response.headers['content-type']).split(';')
    const types = Object.keys(documented?.content ?? {})
    t.ok(types.includes(type) || types.includes('application/octet-stream'), `${operation.operationId} ${type}`)
    if (type !== 'application/json') continue
    const [, errors] = Schema.Errors(inline(documented!.content![type]!.schema) as object, response.json())
    t.same(errors, [], operation.operationId)
  }
})

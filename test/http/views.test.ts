import t from 'tap'
import { acceptedSchema } from '#core/accepted-schema.ts'
import { Problem } from '#core/errors.ts'
import { build } from '../support/build-app.ts'
import { artifact, capabilities, ids, principal, quotas, run, sampleLookup, session } from '../support/samples.ts'

t.test('sessions, runs and artifacts are read one by one', async t => {
  const { call } = await build(t)
  t.same((await call({ url: `/v1/sessions/${ids.session}` })).json(), session)
  t.same((await call({ url: `/v1/runs/${ids.run}` })).json(), run)
  t.same((await call({ url: `/v1/artifacts/${ids.artifact}` })).json(), artifact)
  for (const kind of ['sessions', 'runs', 'artifacts']) t.match((await call({ url: `/v1/${kind}/${ids.other}` })).json(), { status: 404, code: 'EPH_NOT_FOUND' })
})

t.test('closing a session answers it as it is then', async t => {
  const { call } = await build(t, { closeSession: async () => ({ ...session, state: 'closed', closedReason: 'closed by ada' }) })
  t.match((await call({ method: 'POST', url: `/v1/sessions/${ids.session}/close` })).json(), { state: 'closed', closedReason: 'closed by ada' })
})

t.test('a session whose runs go on is not closed', async t => {
  const { call } = await build(t, { closeSession: async () => { throw new Problem('EPH_CONFLICT', 'Cannot close the session: runs are under way') } })
  t.match((await call({ method: 'POST', url: `/v1/sessions/${ids.session}/close` })).json(), { status: 409, code: 'EPH_CONFLICT', effect: 'none' })
})

t.test('whoami says who calls, what he may do and how much', async t => {
  const asked: unknown[] = []
  const { call } = await build(t, {
    async whoami (caller, namespace) {
      asked.push(namespace)
      return { identity: caller, rights: [{ right: 'create jobs', allowed: namespace === 'shop' }], quotas }
    }
  }, { requestsPerMinute: 100 })
  const { extra, ...identity } = principal
  t.same((await call({ url: '/v1/whoami?namespace=shop' })).json(), { ...identity, rights: [{ right: 'create jobs', allowed: true }], quotas: { requestsPerMinute: 100, ...quotas } })
  t.match((await call({ url: '/v1/whoami' })).json(), { rights: [{ allowed: false }] })
  t.same(asked, ['shop', null])
})

t.test('capabilities say what works here', async t => {
  const { call } = await build(t)
  t.same((await call({ url: '/v1/capabilities' })).json(), capabilities)
})

t.test('namespaces are those where the caller may launch', async t => {
  const { call } = await build(t)
  t.same((await call({ url: '/v1/namespaces' })).json(), { items: [{ name: 'shop', launch: true, captures: false }], nextCursor: null })
})

t.test('targets are asked for by namespace, labels and name, and shown without what is not needed', async t => {
  const asked: unknown[] = []
  const { call } = await build(t)
  const { items: [target] } = (await call({ url: '/v1/targets?namespace=shop' })).json()
  t.same(target, {
    namespace: 'shop',
    pod: 'web-1',
    podUid: 'uid-1',
    node: 'node-1',
    phase: 'Running',
    ready: true,
    owner: { kind: 'Deployment', name: 'web' },
    labels: { app: 'web' },
    podIPs: ['10.1.0.5'],
    containers: [{ name: 'app', image: 'web:1', running: true, ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }],
    ours: 1,
    budgetLeft: 9,
    profiles: ['restricted'],
    refusal: null
  })
  const recording = await build(t, {
    async targets (_caller, query) {
      asked.push(query)
      return []
    }
  })
  t.same((await recording.call({ url: '/v1/targets?namespace=shop&labelSelector=app%3Dweb&q=we' })).json(), { items: [], nextCursor: null })
  t.same(asked, [{ namespace: 'shop', labelSelector: 'app=web', q: 'we' }])
})

t.test('targets without a namespace, or by what does nothing yet, are refused', async t => {
  const { call, audited } = await build(t)
  t.match((await call({ url: '/v1/targets' })).json(), { status: 422, code: 'EPH_NAMESPACE_REQUIRED' })
  t.match((await call({ url: '/v1/targets?namespace=shop&labelSelector=a%20b' })).json(), { status: 400, code: 'EPH_INVALID_REQUEST' })
  for (const name of ['kind', 'footprint', 'limit', 'cursor']) {
    t.match((await call({ url: `/v1/targets?namespace=shop&${name}=1` })).json(), { status: 422, code: 'EPH_NOT_SUPPORTED', errors: [{ pointer: `/query/${name}` }] })
  }
  for (const url of ['/v1/namespaces?limit=1', '/v1/diagnostics?cursor=x']) t.match((await call({ url })).json(), { status: 422, code: 'EPH_NOT_SUPPORTED' })
  t.equal(audited.length, 8)
})

t.test('the catalogue shows everything a form needs, with a version to ask by', async t => {
  const { call } = await build(t)
  const response = await call({ url: '/v1/diagnostics' })
  const { items, nextCursor } = response.json()
  t.equal(nextCursor, null)
  t.same(items.map(({ name }: { name: string }) => name), ['sample-lookup', 'sample-empty'])
  const { name, version, title, summary, symptoms, profiles, payload, retrySafe, typicalSeconds, examples, params, report } = sampleLookup
  t.same(items[0], JSON.parse(JSON.stringify({
    name,
    version,
    title,
    summary,
    symptoms,
    targetKinds: ['pod', 'workload', 'service', 'labelSelector'],
    profiles,
    right: 'create jobs',
    payload,
    retrySafe,
    typicalSeconds,
    examples,
    paramsSchema: acceptedSchema(params),
    reportSchema: report,
    findings: [{ code: 'SAMPLE_FAILED', ...sampleLookup.findings.SAMPLE_FAILED, dataSchema: null }],
    allowed: null
  })))
  const etag = String(response.headers.etag)
  t.match(await call({ url: '/v1/diagnostics', headers: { 'if-none-match': etag } }), { statusCode: 304, body: '' })
  const inShop = await call({ url: '/v1/diagnostics?namespace=shop', headers: { 'if-none-match': etag } })
  t.equal(inShop.statusCode, 200, 'what is allowed belongs to the version')
  t.equal(inShop.json().items[0].allowed, true)
})

t.test('one diagnostic is read by its name', async t => {
  const { call } = await build(t)
  const response = await call({ url: '/v1/diagnostics/sample-lookup?namespace=shop' })
  t.match(response.json(), { name: 'sample-lookup', allowed: true })
  t.match(await call({ url: '/v1/diagnostics/sample-lookup?namespace=shop', headers: { 'if-none-match': String(response.headers.etag) } }), { statusCode: 304 })
  for (const name of ['nothing', 'constructor']) t.match((await call({ url: `/v1/diagnostics/${name}` })).json(), { status: 404, code: 'EPH_NOT_FOUND' })
})

t.test('calls of the contract that do not exist yet are not there', async t => {
  const { call } = await build(t)
  const job = `/v1/jobs/${ids.job}`
  for (const [method, url, status] of [
    ['POST', `${job}/retry`, 404], ['POST', `${job}/approve`, 404], ['POST', `${job}/deny`, 404], ['POST', `${job}/notes`, 404], ['PUT', `${job}/hold`, 404],
    ['DELETE', `${job}/hold`, 404], ['DELETE', job, 405], ['POST', '/v1/shells', 404], ['GET', '/v1/shells', 404], ['GET', '/v1/audit-events', 404],
    ['GET', '/v1/audit-events/export', 404], ['POST', '/v1/tickets', 404], ['GET', '/v1/api-keys', 404], ['GET', '/v1/pauses', 404]
  ] as const) {
    const response = await call({ method, url, ...(method === 'POST' && { payload: {} }) })
    t.match(response.json(), { status, code: status === 404 ? 'EPH_NOT_FOUND' : 'EPH_METHOD_NOT_ALLOWED' }, `${method} ${url}`)
  }
})

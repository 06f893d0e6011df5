import { decodeCursor, encodeCursor } from '#core/cursor.ts'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import { ask } from '../support/ask.ts'
import { build } from '../support/build-app.ts'
import { artifact, ids, job, jobPod, principal, run, session } from '../support/samples.ts'

t.test('every root answers what REST answers', async t => {
  const app = await build(t)
  const { status, data, errors } = await ask(app, `{
    whoami(namespace: "shop") { username uid groups authMethod actor rights { right allowed } quotas { requestsPerMinute runningPods runningPodsInNamespace queuedPods queuedPodsLeft } }
    capabilities {
      cluster version ephemeralContainers ephemeralContainersStage ephemeralContainersMeaning minimumVersion images { name reference registry } imagePull
      account { namespaces missingRights unread } diagnostics { name missingRights } podSecurity { levels { level namespaces } unread }
      admission { policies { kind name bindings } unread } cni { names signs unread } landlock { nodes unconfined version meaning } warnings
    }
    targets(namespace: "shop") { nodes { pod node ready owner { kind name } containers { name ports { name port protocol } } profiles budgetLeft refusal } }
    diagnostics(namespace: "shop") { nodes { name profiles right paramsSchema allowed findings { code severity } } }
    sessions { nodes { id profile state usedBy runCount openedAt } }
    session(id: "${ids.session}") { id ephemeralContainer }
    runs { nodes { id argv exitCode endCause completeness { state reason } streams { name receivedBytes } artifacts { nodes { id kind sizeBytes } } } }
    run(id: "${ids.run}") { id durationMs }
    artifacts { nodes { id kind state sizeBytes sha256 } }
    artifact(id: "${ids.artifact}") { id contentType }
  }`)
  t.same(errors, [])
  t.equal(status, 200)
  const rest = async (url: string) => (await app.call({ url })).json()
  t.same(data!.whoami, await rest('/v1/whoami?namespace=shop'))
  t.same(data!.capabilities, await rest('/v1/capabilities'))
  t.match((await rest('/v1/targets?namespace=shop')).items, (data!.targets as { nodes: unknown[] }).nodes)
  t.match((await rest('/v1/diagnostics?namespace=shop')).items, (data!.diagnostics as { nodes: unknown[] }).nodes)
  t.match(data, {
    sessions: { nodes: [{ id: session.id, profile: 'restricted', state: 'open', usedBy: ['ada'], runCount: 1, openedAt: session.openedAt }] },
    session: { id: session.id, ephemeralContainer: session.ephemeralContainer },
    runs: { nodes: [{ id: run.id, argv: run.argv, endCause: 'exited', completeness: { state: 'complete', reason: null }, artifacts: { nodes: [{ sizeBytes: 10 }] } }] },
    run: { id: run.id, durationMs: 41 },
    artifacts: { nodes: [{ id: artifact.id, state: 'sealed', sha256: artifact.sha256 }] },
    artifact: { id: artifact.id, contentType: artifact.contentType }
  })
  t.match(data!.runs, { nodes: [{ streams: [{ name: 'stdout', receivedBytes: 5_000_000_000 }] }] }, 'sizes beyond 32 bits')
})

t.test('a job answers all that REST does, its pods as a connection', async t => {
  const app = await build(t)
  const { data, errors } = await ask(app, `{ job(id: "${ids.job}") {
    id cluster diagnostic diagnosticVersion namespace target params reason labels priority state verdict deduplicatedFrom retryOf createdAt startedAt finishedAt url
    requestedBy { username uid groups authMethod actor } error { code message retryable effect }
    findings { code severity message data pods count diagnostic evidence { runId line } remedy }
    podCounts { matched selected pass warn fail inconclusive notMeasured }
    pods { pageInfo { hasNextPage endCursor } nodes {
      namespace pod podUid node owner { kind name } role state verdict error { code } reportJson snapshot { podLabels podIPs images restarts zone revision }
      session { id ephemeralContainer targetContainer image imageDigest profile reused sharesProcesses } runs { nodes { id } }
    } }
  } }`)
  t.same(errors, [])
  const rest = (await app.call({ url: `/v1/jobs/${ids.job}` })).json()
  const { pods, ...summary } = data!.job as typeof rest
  const { pods: restPods, ...restSummary } = rest
  t.same(summary, restSummary)
  const [{ report, runs, ...pod }] = restPods.items
  t.same(pods.nodes, [{ ...pod, reportJson: report, runs: { nodes: [{ id: run.id }] } }])
  t.same(pods.pageInfo, { hasNextPage: false, endCursor: encodeCursor(ids.pod, 'listJobPods', { id: ids.job }) })
})

t.test('a report is typed by its diagnostic, and the same as JSON', async t => {
  const app = await build(t)
  const query = '{ job(id: "' + ids.job + '") { pods { nodes { report { __typename ... on SampleLookupReport { took answers { name status milliseconds } } } reportJson } } } }'
  const { data } = await ask(app, query)
  const report = { __typename: 'SampleLookupReport', took: 3, answers: [{ name: 'web.shop', status: 'noAnswer', milliseconds: 12 }] }
  t.match(data, { job: { pods: { nodes: [{ report, reportJson: jobPod.report }] } } }, 'values of enums are identifiers')
  for (const [diagnostic, report] of [['sample-empty', {}], ['of-yesterday', { took: 1 }], ['sample-lookup', null]] as const) {
    const jobPods = async () => ({ items: [{ ...jobPod, report }], nextCursor: null })
    const other = await build(t, { job: async () => ({ ...job, diagnostic }), jobPods })
    t.match((await ask(other, query)).data, { job: { pods: { nodes: [{ report: null, reportJson: report }] } } }, diagnostic)
  }
})

t.test('what is not there, or may not be seen, is null with EPH_NOT_FOUND', async t => {
  const app = await build(t)
  for (const root of ['job', 'session', 'run', 'artifact']) {
    const { status, data, errors } = await ask(app, `{ ${root}(id: "${ids.other}") { id } whoami { username } }`)
    t.equal(status, 200)
    t.same(data, { [root]: null, whoami: { username: 'ada' } })
    t.match(errors, [{ path: [root], extensions: { code: 'EPH_NOT_FOUND', status: 404, type: '/problems/EPH_NOT_FOUND' } }])
  }
  t.same(app.audited, [], 'the use case has audited it')
})

t.test('lists take every filter of REST and hand on the same', async t => {
  const asked: unknown[] = []
  const app = await build(t, {
    async jobs (...args) {
      asked.push(args)
      return { items: [], nextCursor: null }
    }
  })
  const filter = {
    namespace: ['shop'],
    pod: ['web-1'],
    podUid: ['u'],
    workload: ['Deployment/web'],
    service: ['web'],
    node: ['n'],
    diagnostic: ['dns-lookup'],
    state: ['awaitingApproval', 'failed'],
    verdict: ['fail'],
    finding: ['X'],
    requestedBy: ['ada'],
    actor: ['p'],
    labelSelector: 'a=b',
    createdAfter: '2026-11-24T09:00:00+01:00',
    createdBefore: '2026-11-25T00:00:00Z',
    q: 'x'
  }
  t.same((await ask(app, 'query ($filter: JobFilter) { jobs(filter: $filter, first: 7) { nodes { id } } }', { filter })).errors, [])
  const query = Object.entries(filter).flatMap(([name, values]) => [values].flat().map((value): [string, string] => [name, value]))
  await app.call({ url: `/v1/jobs?limit=7&${new URLSearchParams(query)}` })
  t.equal(asked.length, 2)
  t.same(asked[0], asked[1])
  t.match(asked[0], [principal, { namespaces: ['shop'], workload: [{ kind: 'Deployment', name: 'web' }], createdAfter: '2026-11-24T08:00:00.000Z' }, { limit: 7 }])
})

t.test('null in a filter is as if it were left out', async t => {
  const asked: unknown[] = []
  const app = await build(t, {
    async jobs (_caller, filter) {
      asked.push(filter)
      return { items: [], nextCursor: null }
    }
  })
  t.same((await ask(app, '{ jobs(filter: { pod: null, q: null, state: [failed] }) { nodes { id } } }')).errors, [])
  t.same((await ask(app, '{ jobs(filter: null, after: null) { nodes { id } } }')).errors, [])
  t.same(asked, [{ state: ['failed'], namespaces: [] }, { namespaces: [] }])
})

t.test('what GraphQL cannot say of an argument is enforced all the same', async t => {
  const app = await build(t)
  for (const [root, pointer] of [
    ['job(id: "../x") { id }', '/id'], ['run(id: "a%2fb") { id }', '/id'], ['jobs(filter: { namespace: ["../x"] }) { nodes { id } }', '/filter/namespace/0'],
    ['jobs(filter: { createdAfter: "yesterday" }) { nodes { id } }', '/filter/createdAfter'], ['jobs(filter: { pod: [] }) { nodes { id } }', '/filter/pod'],
    ['runs(filter: { jobId: ["x"] }) { nodes { id } }', '/filter/jobId/0'], [`jobs(filter: { q: "${'x'.repeat(201)}" }) { nodes { id } }`, '/filter/q'],
    ['jobs(filter: { workload: ["Secret/x"] }) { nodes { id } }', '/filter/workload/0'], ['jobs(first: 0) { nodes { id } }', '/first'],
    ['jobs(first: 201) { nodes { id } }', '/first'], ['diagnostics(first: -1) { nodes { name } }', '/first'], ['whoami(namespace: "A/b") { username }', '/namespace'],
    ['targets(namespace: "?x") { nodes { pod } }', '/namespace'], ['targets(namespace: "shop", q: "a\\u0000b") { nodes { pod } }', '/q'],
    ['targets(namespace: "shop", labelSelector: "a b") { nodes { pod } }', '/query/labelSelector']
  ] as const) {
    const { errors } = await ask(app, `{ ${root} }`)
    t.match(errors, [{ extensions: { code: 'EPH_INVALID_REQUEST', status: 400, errors: [{ pointer }] } }], root)
    t.equal(app.audited.at(-1)?.code, 'EPH_INVALID_REQUEST', root)
  }
})

t.test('pages go on by cursors that REST takes too', async t => {
  const asked: unknown[] = []
  const app = await build(t, {
    async jobs (_caller, _filter, page) {
      asked.push(page)
      return { items: [job], nextCursor: page.after === null ? job.id : null }
    }
  })
  const query = 'query ($after: String) { jobs(filter: { state: [failed] }, first: 1, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }'
  const first = (await ask(app, query)).data!.jobs as { edges: { cursor: string }[], pageInfo: { endCursor: string } }
  const { endCursor } = first.pageInfo
  t.same(first, { edges: [{ cursor: endCursor, node: { id: job.id } }], pageInfo: { hasNextPage: true, endCursor } })
  t.equal(decodeCursor(endCursor, 'listJobs', { state: ['failed'] }), job.id)
  t.match((await ask(app, query, { after: endCursor })).data, { jobs: { pageInfo: { hasNextPage: false } } })
  t.equal((await app.call({ url: `/v1/jobs?state=failed&limit=1&cursor=${endCursor}` })).statusCode, 200)
  t.same(asked, [{ limit: 1, after: null }, { limit: 1, after: job.id }, { limit: 1, after: job.id }])
  for (const other of ['{ jobs(after: "C") { nodes { id } } }', '{ runs(filter: null, after: "C") { nodes { id } } }', '{ diagnostics(after: "C") { nodes { name } } }']) {
    t.match((await ask(app, other.replace('C', endCursor))).errors, [{ extensions: { code: 'EPH_CURSOR_INVALID', errors: [{ pointer: '/after' }] } }], other)
  }
})

interface Runs { nodes: { argv: string[] }[], pageInfo: { hasNextPage: boolean, endCursor: string } }

t.test('what is in memory is paged alike', async t => {
  const runs = Array.from({ length: 5 }, (_, index) => ({ ...run, argv: [`${index}`] }))
  const app = await build(t, { jobPods: async () => ({ items: [{ ...jobPod, runs }], nextCursor: null }) })
  const query = `query ($after: String) { job(id: "${ids.job}") { pods { nodes { runs(first: 2, after: $after) { nodes { argv } pageInfo { hasNextPage endCursor } } } } } }`
  const seen: string[][] = []
  let after: string | null = null
  for (let pages = 0; pages < 3; pages++) {
    const { data } = await ask(app, query, { after })
    const page = (data!.job as { pods: { nodes: { runs: Runs }[] } }).pods.nodes[0]!.runs
    seen.push(page.nodes.map(({ argv }) => argv[0]!))
    t.equal(page.pageInfo.hasNextPage, pages < 2)
    after = page.pageInfo.endCursor
  }
  t.same(seen, [['0', '1'], ['2', '3'], ['4']])
  for (const bad of ['', 'x', Buffer.from('2').toString('base64url'), encodeCursor('2', 'JobPod.runs', ids.other), encodeCursor('-1', 'JobPod.runs', ids.pod)]) {
    t.match((await ask(app, query, { after: bad })).errors, [{ extensions: { code: 'EPH_CURSOR_INVALID' } }], bad)
  }
})

t.test('an unexpected failure says nothing of why', async t => {
  const app = await build(t, { jobs: async () => { throw new Error('password=hunter2') }, runs: async () => ({ items: [{ ...run, durationMs: 0.5 }], nextCursor: null }) })
  const { status, errors } = await ask(app, '{ jobs { nodes { id } } }')
  t.equal(status, 200, 'executed, if in vain')
  t.match(errors, [{ path: ['jobs'], extensions: { code: 'EPH_INTERNAL', status: 500, retryable: 'later', effect: 'unknown' } }])
  t.notMatch(errors, [/hunter2/])
  t.match(app.logged.join(''), /hunter2/)
  t.match((await ask(app, '{ runs { nodes { durationMs } } }')).errors, [{ extensions: { code: 'EPH_INTERNAL' } }], 'an answer that does not fit is our failure')
  t.same(app.audited, [])
})

t.test('what a use case refuses keeps its code, its places and what may be repeated', async t => {
  const app = await build(t, {
    jobs: async () => { throw new Problem('EPH_NAMESPACE_REQUIRED', 'Cannot check 300 namespaces', { errors: [{ pointer: '/filter/namespace', detail: 'is required' }] }) }
  })
  const { headers, errors } = await ask(app, '{ jobs { nodes { id } } }')
  t.match(errors, [{
    message: 'Cannot check 300 namespaces',
    extensions: {
      code: 'EPH_NAMESPACE_REQUIRED',
      type: '/problems/EPH_NAMESPACE_REQUIRED',
      status: 422,
      retryable: 'no',
      effect: 'none',
      errors: [{ pointer: '/filter/namespace' }],
      requestId: headers['x-request-id']
    }
  }])
})

t.test('what callers must not see is in no answer', async t => {
  const app = await build(t)
  const response = await ask(app, '{ whoami { username groups } jobs { nodes { requestedBy { username } } } targets(namespace: "shop") { nodes { labels } } }')
  t.notMatch(JSON.stringify(response.data), /hidden/)
  for (const field of ['whoami { extra }', 'targets(namespace: "shop") { nodes { annotations } }', 'targets(namespace: "shop") { nodes { pullSecrets } }']) {
    t.match((await ask(app, `{ ${field} }`)).errors, [{ message: /Cannot query field/, extensions: { code: 'EPH_INVALID_REQUEST' } }])
  }
})

import t from 'tap'
import { decodeCursor } from '#core/cursor.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { build } from '../support/build-app.ts'
import { artifact, ids, job, jobPod, principal, run, session } from '../support/samples.ts'

/** The use case behind a list, recording what it is asked for. */
function recorded (name: 'jobs' | 'sessions' | 'runs' | 'artifacts', items: unknown[] = [], nextCursor: string | null = null) {
  const asked: unknown[] = []
  const read = async (...args: unknown[]) => {
    asked.push(args)
    return { items, nextCursor }
  }
  return { asked, useCases: { [name]: read } as Partial<UseCases> }
}

t.test('jobs are found by every filter of the contract', async t => {
  const { asked, useCases } = recorded('jobs')
  const { call } = await build(t, useCases)
  const query = new URLSearchParams([
    ['namespace', 'shop'], ['namespace', 'pay'], ['pod', 'web-1'], ['podUid', 'uid-1'], ['workload', 'Deployment/web'], ['service', 'web'], ['node', 'node-1'],
    ['diagnostic', 'dns-lookup'], ['state', 'succeeded'], ['state', 'failed'], ['verdict', 'fail'], ['finding', 'DNS_NXDOMAIN'], ['requestedBy', 'ada'],
    ['actor', 'portal'], ['labelSelector', 'alert=CheckoutErrors,tier in (web,db),!old'], ['createdAfter', '2026-11-24T09:00:00+01:00'],
    ['createdBefore', '2026-11-25T00:00:00Z'], ['q', 'checkout'], ['limit', '7']
  ])
  const response = await call({ url: `/v1/jobs?${query}` })
  t.equal(response.statusCode, 200, response.body)
  t.match(asked, [[principal, {
    namespaces: ['shop', 'pay'],
    pod: ['web-1'],
    podUid: ['uid-1'],
    workload: [{ kind: 'Deployment', name: 'web' }],
    service: ['web'],
    node: ['node-1'],
    diagnostic: ['dns-lookup'],
    state: ['succeeded', 'failed'],
    verdict: ['fail'],
    finding: ['DNS_NXDOMAIN'],
    requestedBy: ['ada'],
    actor: ['portal'],
    labels: [
      { key: 'alert', operator: 'in', values: ['CheckoutErrors'] }, { key: 'tier', operator: 'in', values: ['web', 'db'] },
      { key: 'old', operator: 'notExists', values: [] }
    ],
    createdAfter: '2026-11-24T08:00:00.000Z',
    createdBefore: '2026-11-25T00:00:00.000Z',
    q: 'checkout'
  }, { limit: 7, after: null }]])
})

t.test('sessions, runs and artifacts are found by theirs', async t => {
  for (const [name, query, filter] of [
    ['sessions', 'namespace=shop&pod=web-1&podUid=u&node=n&state=open&openedBy=ada&createdAfter=2026-01-01T00:00:00Z&createdBefore=2026-01-02T00:00:00Z' +
      '&activeAfter=2026-01-03T00:00:00Z&activeBefore=2026-01-04T00:00:00%2B02:00', {
      namespaces: ['shop'],
      pod: ['web-1'],
      podUid: ['u'],
      node: ['n'],
      state: ['open'],
      openedBy: ['ada'],
      createdAfter: '2026-01-01T00:00:00.000Z',
      createdBefore: '2026-01-02T00:00:00.000Z',
      activeAfter: '2026-01-03T00:00:00.000Z',
      activeBefore: '2026-01-03T22:00:00.000Z'
    }],
    ['runs', `jobId=${ids.job}&sessionId=${ids.session}&pod=web-1&podUid=u&diagnostic=dns-lookup`, {
      namespaces: [], jobId: [ids.job], sessionId: [ids.session], pod: ['web-1'], podUid: ['u'], diagnostic: ['dns-lookup']
    }],
    ['artifacts', `namespace=shop&jobId=${ids.job}&jobId=${ids.other}`, { namespaces: ['shop'], jobId: [ids.job, ids.other] }]
  ] as const) {
    const { asked, useCases } = recorded(name)
    const { call } = await build(t, useCases)
    t.equal((await call({ url: `/v1/${name}?${query}` })).statusCode, 200, name)
    t.match(asked, [[principal, filter, { limit: 50, after: null }]], name)
  }
})

t.test('a list without filters is asked for everywhere', async t => {
  const { asked, useCases } = recorded('jobs')
  const { call } = await build(t, useCases)
  await call({ url: '/v1/jobs' })
  t.same(asked, [[principal, { namespaces: [] }, { limit: 50, after: null }]])
})

t.test('items come as the contract shows them, and nothing beyond', async t => {
  const { call } = await build(t)
  const jobs = (await call({ url: '/v1/jobs' })).json()
  t.equal(jobs.nextCursor, null)
  t.match(jobs.items, [{ id: ids.job, verdict: 'fail', podCounts: { fail: 1 }, findings: [{ code: 'SAMPLE_FAILED' }] }])
  t.notOk('pods' in jobs.items[0], 'neither pods nor reports')
  const { pods, ...summary } = job
  const { extra, ...requestedBy } = principal
  t.same(jobs.items[0], { ...summary, requestedBy })
  t.same((await call({ url: '/v1/sessions' })).json().items, [session])
  t.same((await call({ url: '/v1/runs' })).json().items, [run])
  t.same((await call({ url: '/v1/artifacts' })).json().items, [artifact])
  const { id, ...pod } = jobPod
  t.same((await call({ url: `/v1/jobs/${ids.job}/pods` })).json().items, [pod])
})

t.test('what callers must not see is in no answer', async t => {
  const { call } = await build(t)
  const urls = [
    '/v1/whoami', '/v1/jobs', `/v1/jobs/${ids.job}`, `/v1/jobs/${ids.job}/pods`, '/v1/sessions', '/v1/runs', '/v1/targets?namespace=shop', `/v1/jobs/${ids.job}/events`
  ]
  for (const url of urls) t.notMatch((await call({ url })).body, /hidden|scopes/, url)
})

t.test('the next page is reached by the cursor, with the same filters in any order', async t => {
  const { asked, useCases } = recorded('jobs', [job], ids.job)
  const { call } = await build(t, useCases)
  const { nextCursor } = (await call({ url: '/v1/jobs?namespace=shop&state=failed&limit=1' })).json()
  t.equal(decodeCursor(nextCursor, 'listJobs', { namespace: ['shop'], state: ['failed'] }), ids.job)
  t.equal((await call({ url: `/v1/jobs?limit=9&state=failed&cursor=${nextCursor}&namespace=shop` })).statusCode, 200)
  t.match(asked[1], [principal, {}, { limit: 9, after: ids.job }])
})

t.test('a cursor with other filters, of another list, or of nobody is refused', async t => {
  const { asked, useCases } = recorded('jobs', [job], ids.job)
  const { call } = await build(t, useCases)
  const { nextCursor } = (await call({ url: '/v1/jobs?state=failed' })).json()
  for (const url of [
    `/v1/jobs?cursor=${nextCursor}`, `/v1/jobs?state=queued&cursor=${nextCursor}`, `/v1/runs?cursor=${nextCursor}`, `/v1/jobs/${ids.job}/pods?cursor=${nextCursor}`,
    '/v1/jobs?state=failed&cursor=abc', '/v1/jobs?state=failed&cursor='
  ]) {
    t.match((await call({ url })).json(), { status: 400, code: 'EPH_CURSOR_INVALID', errors: [{ pointer: '/query/cursor' }] }, url)
  }
  t.equal(asked.length, 1)
})

t.test('the cursor in a job leads to the rest of its pods', async t => {
  const asked: unknown[] = []
  const { call } = await build(t, {
    job: async () => ({ ...job, pods: { items: [jobPod], nextCursor: ids.pod } }),
    async jobPods (_caller, id, page) {
      asked.push([id, page])
      return { items: [jobPod], nextCursor: null }
    }
  })
  const { pods: { nextCursor } } = (await call({ url: `/v1/jobs/${ids.job}` })).json()
  t.equal((await call({ url: `/v1/jobs/${ids.job}/pods?cursor=${nextCursor}&limit=20` })).statusCode, 200)
  t.match((await call({ url: `/v1/jobs/${ids.other}/pods?cursor=${nextCursor}` })).json(), { code: 'EPH_CURSOR_INVALID' })
  t.same(asked, [[ids.job, { limit: 20, after: ids.pod }]])
})

t.test('a list comes as lines of JSON where that is asked for, with the next page in Link', async t => {
  const { useCases } = recorded('jobs', [job, { ...job, reason: 'two\nlines' }], ids.job)
  const { call } = await build(t, useCases)
  const response = await call({ url: '/v1/jobs?namespace=shop&limit=2', headers: { accept: 'application/x-ndjson' } })
  t.match(response.headers, { 'content-type': /^application\/x-ndjson/, vary: /Accept/ })
  const lines = response.body.split('\n')
  t.equal(lines.length, 3)
  t.equal(lines[2], '')
  t.match(lines.slice(0, 2).map(line => JSON.parse(line)), [{ id: ids.job }, { reason: 'two\nlines' }])
  t.notMatch(response.body, /hidden|"report"/)
  const [, next = ''] = /^<(.*)>; rel="next"$/.exec(String(response.headers.link)) ?? []
  t.match(next, /^\/v1\/jobs\?namespace=shop&limit=2&cursor=/)
  t.equal((await call({ url: next })).statusCode, 200)
})

t.test('the last page as lines has no Link, and an empty one no line', async t => {
  const { useCases } = recorded('runs')
  const { call } = await build(t, useCases)
  const response = await call({ url: '/v1/runs', headers: { accept: 'application/json;q=0.5, application/x-ndjson' } })
  t.match(response, { statusCode: 200, body: '' })
  t.notOk('link' in response.headers)
})

t.test('filters of jobs that sessions do not know yet are refused with 422', async t => {
  const { asked, useCases } = recorded('sessions')
  const { call } = await build(t, useCases)
  for (const [name, value] of Object.entries({
    workload: 'Deployment/web', service: 'web', diagnostic: 'dns-lookup', verdict: 'fail', finding: 'X', requestedBy: 'ada', actor: 'p', labelSelector: 'a=b', q: 'x'
  })) {
    const response = await call({ url: `/v1/sessions?${name}=${encodeURIComponent(value)}` })
    t.match(response.json(), { status: 422, code: 'EPH_NOT_SUPPORTED', errors: [{ pointer: `/query/${name}` }] }, name)
  }
  t.same(asked, [])
})

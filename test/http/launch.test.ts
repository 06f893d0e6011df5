import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { JobRequest } from '#core/job.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { build } from '../support/build-app.ts'
import { ids, job, launch, preflight, principal, queued } from '../support/samples.ts'

const post = (payload: unknown, headers: Record<string, string> = {}, query = '') =>
  ({ method: 'POST' as const, url: `/v1/jobs${query}`, payload: payload as object, headers })

t.test('a launch is answered with 202, Location and the job as it is stored', async t => {
  const submitted: unknown[] = []
  const { call } = await build(t, {
    async submit (...args) {
      submitted.push(args)
      return { job: queued, replayed: false }
    }
  })
  const request: JobRequest = {
    ...launch, reason: 'INC-1', labels: { alert: 'CheckoutErrors' }, image: 'toolbox', timeoutSeconds: 30, startWithinSeconds: 300, priority: 'automatic'
  }
  const response = await call(post(request))
  t.match(response, { statusCode: 202, headers: { location: `/v1/jobs/${ids.job}`, 'content-type': 'application/json; charset=utf-8' } })
  t.match(response.json(), { id: ids.job, state: 'queued', verdict: null, pods: { items: [{ pod: 'web-1' }] } })
  t.notOk('preference-applied' in response.headers || 'idempotency-replayed' in response.headers)
  t.same(submitted, [[principal, { ...request, target: { ...request.target, maxPods: 3 } }, { idempotencyKey: null }]])
})

t.test('Prefer: wait answers 200 with the finished job, or 202 with one that goes on', async t => {
  const waited: unknown[] = []
  let answer = job
  const { call } = await build(t, {
    async wait (_caller, id, { seconds }) {
      waited.push([id, seconds])
      return answer
    }
  })
  const finished = await call(post(launch, { prefer: 'respond-async, wait=20' }))
  t.match(finished, { statusCode: 200, headers: { 'preference-applied': 'wait=20', location: `/v1/jobs/${ids.job}` } })
  t.match(finished.json(), { state: 'succeeded', verdict: 'fail', pods: { items: [{ report: { took: 3 } }] } })
  answer = queued
  t.match(await call(post(launch, { prefer: 'wait=0' })), { statusCode: 202, headers: { 'preference-applied': 'wait=0' } })
  t.match(await call(post(launch, { prefer: 'return=minimal' })), { statusCode: 202 })
  t.same(waited, [[ids.job, 20], [ids.job, 0]])
})

t.test('a wait that is too long, or no time, is refused before anything is stored', async t => {
  const { call, audited } = await build(t, { submit: () => { throw new Error('submitted') } })
  for (const prefer of ['wait=56', 'wait=-1', 'wait=1.5', 'wait', 'wait=soon', 'respond-async, wait=999999999999']) {
    t.match((await call(post(launch, { prefer }))).json(), { status: 400, code: 'EPH_INVALID_REQUEST', errors: [{ pointer: '/headers/prefer' }] }, prefer)
  }
  t.equal(audited.length, 6)
})

t.test('the same Idempotency-Key and body answer 202 with the same job, even when it has ended', async t => {
  const keys: unknown[] = []
  const { call } = await build(t, {
    async submit (_caller, _request, { idempotencyKey }) {
      keys.push(idempotencyKey)
      return { job, replayed: true }
    }
  })
  const headers = { 'idempotency-key': 'key-1', prefer: 'wait=5' }
  const response = await call(post(launch, headers))
  t.match(response, { statusCode: 202, headers: { 'idempotency-replayed': 'true', location: `/v1/jobs/${ids.job}` } })
  t.match(response.json(), { id: ids.job, state: 'succeeded' })
  t.same(keys, ['key-1'])
})

t.test('an Idempotency-Key for another body, or that is none, is refused', async t => {
  const { call } = await build(t, {
    submit: async () => { throw new Problem('EPH_IDEMPOTENCY_MISMATCH', 'Cannot launch: the key was used for another request') }
  })
  t.match((await call(post(launch, { 'idempotency-key': 'key-1' }))).json(), { status: 422, code: 'EPH_IDEMPOTENCY_MISMATCH' })
  for (const key of ['', 'with space', 'x'.repeat(256), 'ü']) {
    const refused = await call(post(launch, { 'idempotency-key': key }))
    t.match(refused.json(), { status: 400, code: 'EPH_INVALID_REQUEST', errors: [{ pointer: '/headers/idempotency-key' }] }, key)
  }
})

t.test('a dry run answers what would happen in each pod, and launches nothing', async t => {
  const { call } = await build(t, { submit: () => { throw new Error('submitted') } })
  const response = await call(post(launch, { prefer: 'wait=5' }, '?dryRun=true'))
  t.equal(response.statusCode, 200)
  t.same(response.json(), preflight)
  t.notOk('location' in response.headers || 'preference-applied' in response.headers)
})

t.test('dryRun=false launches', async t => {
  const { call } = await build(t)
  t.match(await call(post(launch, {}, '?dryRun=false')), { statusCode: 202 })
})

t.test('fields that do nothing yet are refused with 422, also in a dry run', async t => {
  const nothing: Partial<UseCases> = { submit: () => { throw new Error('submitted') }, preflight: () => { throw new Error('looked') } }
  const { call, audited } = await build(t, nothing)
  for (const query of ['', '?dryRun=true']) {
    const response = await call(post({ ...launch, notify: ['remediator'] }, {}, query))
    t.match(response.json(), { status: 422, code: 'EPH_NOT_SUPPORTED', errors: [{ pointer: '/notify' }] }, query)
  }
  t.same(audited.map(({ code, namespace }) => [code, namespace]), Array(2).fill(['EPH_NOT_SUPPORTED', 'shop']))
})

const wrong: [string, unknown, string][] = [
  ['an unknown field', { ...launch, extra: 1 }, '/extra'],
  ['no target', { diagnostic: 'sample-lookup' }, '/target'],
  ['a target that is text', { ...launch, target: 'shop/web-1' }, '/target'],
  ['an unknown field of the target', { ...launch, target: { ...launch.target, pods: 1 } }, '/target/pods'],
  ['a traversal as a pod', { ...launch, target: { namespace: 'shop', pod: '../x' } }, '/target/pod'],
  ['an encoded slash as a pod', { ...launch, target: { namespace: 'shop', pod: 'a%2fb' } }, '/target/pod'],
  ['a query as a pod', { ...launch, target: { namespace: 'shop', pod: 'web?x' } }, '/target/pod'],
  ['a pod of 300 characters', { ...launch, target: { namespace: 'shop', pod: 'a'.repeat(300) } }, '/target/pod'],
  ['a NUL in a namespace', { ...launch, target: { namespace: 'sh\0op', pod: 'web-1' } }, '/target/namespace'],
  ['a NUL in the reason', { ...launch, reason: 'a\0b' }, '/reason'],
  ['a kind that is none', { ...launch, target: { namespace: 'shop', workload: { kind: 'Secret', name: 'web' } } }, '/target/workload/kind'],
  ['too many pods', { ...launch, target: { ...launch.target, maxPods: 51 } }, '/target/maxPods'],
  ['a number as text', { ...launch, timeoutSeconds: '30' }, '/timeoutSeconds'],
  ['a time that is too long', { ...launch, timeoutSeconds: 3601 }, '/timeoutSeconds'],
  ['no time at all', { ...launch, startWithinSeconds: 0 }, '/startWithinSeconds'],
  ['a priority that is none', { ...launch, priority: 'urgent' }, '/priority'],
  ['parameters that are a list', { ...launch, params: [] }, '/params'],
  ['labels with a bad key', { ...launch, labels: { '-a': 'b' } }, '/labels'],
  ['labels with a bad value', { ...launch, labels: { a: 'b c' } }, '/labels/a'],
  ['null', 'null', ''],
  ['a list', [launch], ''],
  ['text', JSON.stringify('launch'), '']
]

t.test('what does not fit is refused with the place that is wrong, and audited', async t => {
  const { call, audited } = await build(t, { submit: () => { throw new Error('submitted') } })
  for (const [what, payload, pointer] of wrong) {
    const response = await call(post(payload, { 'content-type': 'application/json' }))
    const { status, code, errors } = response.json()
    t.same([status, code], [400, 'EPH_INVALID_REQUEST'], what)
    t.ok(errors.some((error: { pointer: string }) => error.pointer.startsWith(pointer)), `${what}: ${response.body}`)
  }
  t.same(audited.map(({ code }) => code), wrong.map(() => 'EPH_INVALID_REQUEST'))
})

t.test('a refused launch is audited with its namespace, unless that is no name', async t => {
  const { call, audited } = await build(t)
  await call(post({ ...launch, extra: 1 }))
  await call(post({ ...launch, target: { namespace: '../x', pod: 'web-1' } }))
  t.match(audited, [
    { action: 'refuse', outcome: 'denied', namespace: 'shop', object: 'POST /v1/jobs', detail: { pointers: ['/extra'] }, principal: { username: 'ada' } },
    { namespace: null, detail: { pointers: ['/target/namespace'] } }
  ])
})

t.test('what the use cases refuse is answered as they say it, and audited by them alone', async t => {
  const { call, audited } = await build(t, {
    submit: async () => { throw new Problem('EPH_POD_STATIC', 'Cannot launch in shop/web-1: it is a static pod', { errors: [{ pointer: '/target/pod', detail: 'is static' }] }) }
  })
  t.same((await call(post(launch))).json().detail, 'Cannot launch in shop/web-1: it is a static pod')
  t.same(audited, [])
})

t.test('a launch that fails unexpectedly says nothing of why', async t => {
  const { call, logged } = await build(t, { submit: async () => { throw new Error('password=hunter2') } })
  const response = await call(post(launch))
  t.match(response.json(), { status: 500, code: 'EPH_INTERNAL', effect: 'unknown', requestId: response.headers['x-request-id'] })
  t.notMatch(response.body, /hunter2/)
  t.match(logged.join(''), /hunter2/)
})

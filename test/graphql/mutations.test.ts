import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { JobRequest } from '#core/job.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { ask } from '../support/ask.ts'
import { build } from '../support/build-app.ts'
import { ids, job, principal, queued, session } from '../support/samples.ts'

function recorded () {
  const submitted: [unknown, JobRequest, unknown][] = []
  const submit: UseCases['submit'] = async (...args) => {
    submitted.push(args)
    return { job: queued, replayed: false }
  }
  return { submitted, submit }
}

const launchJob = 'mutation ($input: LaunchJobInput!) { launchJob(input: $input) { id state pods { nodes { pod } } } }'
const target = { namespace: 'shop', pod: 'web-1' }

t.test('launchJob hands on what POST /v1/jobs would', async t => {
  const { submitted, submit } = recorded()
  const app = await build(t, { submit })
  const rest = { target, reason: 'INC-1', labels: { alert: 'x' }, image: 'toolbox', timeoutSeconds: 30, startWithinSeconds: 60, priority: 'automatic' }
  const input = { ...rest, diagnostic: { sampleLookup: { names: ['web.shop'], server: { address: '10.96.0.10' } } }, idempotencyKey: 'key-1' }
  const { status, data, errors } = await ask(app, launchJob, { input })
  t.same(errors, [])
  t.equal(status, 200)
  t.same(data, { launchJob: { id: ids.job, state: 'queued', pods: { nodes: [{ pod: 'web-1' }] } } })
  const params = { names: ['web.shop'], types: ['A'], server: { address: '10.96.0.10', port: 53 } }
  await app.call({ method: 'POST', url: '/v1/jobs', headers: { 'idempotency-key': 'key-1' }, payload: { ...rest, diagnostic: 'sample-lookup', params } })
  t.same(submitted[0], [principal, { ...rest, target: { ...target, maxPods: 3 }, diagnostic: 'sample-lookup', params }, { idempotencyKey: 'key-1' }])
  t.same(submitted[0], submitted[1])
})

t.test('literals launch as variables do; null is what is left out', async t => {
  const { submitted, submit } = recorded()
  const app = await build(t, { submit })
  const document = `mutation { launchJob(input: { diagnostic: { sampleLookup: { names: ["a"], types: [AAAA], server: null } },
    target: { namespace: "shop", workload: { kind: StatefulSet, name: "db" }, pod: null }, reason: null, idempotencyKey: null }) { id } }`
  t.same((await ask(app, document)).errors, [])
  t.same(submitted, [[principal, {
    diagnostic: 'sample-lookup', params: { names: ['a'], types: ['AAAA'] }, target: { namespace: 'shop', workload: { kind: 'StatefulSet', name: 'db' }, maxPods: 3 }
  }, { idempotencyKey: null }]])
})

t.test('a diagnostic without parameters is launched by an empty object', async t => {
  const { submitted, submit } = recorded()
  const app = await build(t, { submit })
  t.same((await ask(app, launchJob, { input: { diagnostic: { sampleEmpty: {} }, target } })).errors, [])
  t.match(submitted, [[principal, { diagnostic: 'sample-empty', params: {} }]])
})

t.test('exactly one diagnostic is named', async t => {
  const app = await build(t, { submit: () => { throw new Error('submitted') } })
  for (const diagnostic of [{}, { sampleLookup: { names: ['a'] }, sampleEmpty: {} }, { sampleLookup: null }, { nothing: {} }, { 'sample-lookup': { names: ['a'] } }]) {
    const { status, errors } = await ask(app, launchJob, { input: { diagnostic, target } })
    t.equal(status, 400)
    t.match(errors[0], { extensions: { code: 'EPH_INVALID_REQUEST' } }, JSON.stringify(diagnostic))
  }
  t.match((await ask(app, 'mutation { launchJob(input: { diagnostic: {}, target: { namespace: "shop" } }) { id } }')).errors, [{ extensions: { code: 'EPH_INVALID_REQUEST' } }])
})

t.test('what GraphQL cannot say of a launch is enforced as in REST', async t => {
  const app = await build(t, { submit: () => { throw new Error('submitted') } })
  const diagnostic = { sampleLookup: { names: ['a'] } }
  for (const [input, pointer] of [
    [{ diagnostic, target: { namespace: 'shop', pod: '../x' } }, '/target/pod'], [{ diagnostic, target: { namespace: 'sh\0op', pod: 'x' } }, '/target/namespace'],
    [{ diagnostic, target, timeoutSeconds: 3601 }, '/timeoutSeconds'], [{ diagnostic, target, reason: 'x'.repeat(1001) }, '/reason'],
    [{ diagnostic, target: { ...target, maxPods: 51 } }, '/target/maxPods'], [{ diagnostic, target, labels: { '-a': 'b' } }, '/labels'],
    [{ diagnostic, target, labels: ['a'] }, '/labels'], [{ diagnostic, target, image: '../x' }, '/image'], [{ diagnostic, target, idempotencyKey: 'a b' }, '/idempotencyKey']
  ] as const) {
    const { data, errors } = await ask(app, launchJob, { input })
    t.equal(data, null)
    t.match(errors, [{ extensions: { code: 'EPH_INVALID_REQUEST', status: 400 } }], pointer)
    t.ok(errors[0]!.extensions.errors.some(error => error.pointer.startsWith(pointer)), JSON.stringify(errors))
    t.match(app.audited.at(-1), { action: 'refuse', code: 'EPH_INVALID_REQUEST', object: 'POST /graphql', principal: { username: 'ada' } })
  }
})

t.test('fields that do nothing yet are refused', async t => {
  const app = await build(t, { submit: () => { throw new Error('submitted') } })
  const { errors } = await ask(app, launchJob, { input: { diagnostic: { sampleEmpty: {} }, target, notify: ['remediator'] } })
  t.match(errors, [{ extensions: { code: 'EPH_NOT_SUPPORTED', status: 422, errors: [{ pointer: '/notify' }] } }])
})

t.test('keys that would change prototypes change nothing', async t => {
  const { submitted, submit } = recorded()
  const app = await build(t, { submit })
  const labels = '{ __proto__: { admin: true }, constructor: "x" }'
  const { errors } = await ask(app, `mutation { launchJob(input: { diagnostic: { sampleEmpty: {} }, target: { namespace: "shop", pod: "web-1" }, labels: ${labels} }) { id } }`)
  t.match(errors, [{ extensions: { code: 'EPH_INVALID_REQUEST' } }])
  t.same(submitted, [])
  t.notOk('admin' in {})
})

t.test('what a launch is refused with by the use cases is answered as they say it, and audited by them alone', async t => {
  const app = await build(t, { submit: async () => { throw new Problem('EPH_FORBIDDEN', 'Cannot create jobs in shop: missing rule') } })
  t.match((await ask(app, launchJob, { input: { diagnostic: { sampleEmpty: {} }, target } })).errors, [{ path: ['launchJob'], extensions: { code: 'EPH_FORBIDDEN', status: 403 } }])
  t.same(app.audited, [])
})

t.test('jobs and sessions are acted on by their ids', async t => {
  const acted: unknown[] = []
  const act = <T>(name: string, answer: T) => async (caller: unknown, id: string): Promise<T> => {
    acted.push([name, caller, id])
    return answer
  }
  const app = await build(t, {
    cancel: act('cancel', { ...job, state: 'cancelled' as const }), finish: act('finish', job), closeSession: act('closeSession', { ...session, state: 'closed' as const })
  })
  const { data, errors } = await ask(app, `mutation {
    cancelJob(id: "${ids.job}") { state } finishJob(id: "${ids.job}") { state verdict } closeSession(id: "${ids.session}") { id state }
  }`)
  t.same(errors, [])
  t.same(data, { cancelJob: { state: 'cancelled' }, finishJob: { state: 'succeeded', verdict: 'fail' }, closeSession: { id: ids.session, state: 'closed' } })
  t.same(acted, [['cancel', principal, ids.job], ['finish', principal, ids.job], ['closeSession', principal, ids.session]])
  for (const name of ['cancelJob', 'finishJob', 'closeSession']) {
    t.match((await ask(app, `mutation { ${name}(id: "x") { id } }`)).errors, [{ extensions: { code: 'EPH_INVALID_REQUEST', errors: [{ pointer: '/id' }] } }])
  }
  t.equal(acted.length, 3)
})

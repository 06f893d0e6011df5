import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { ContainerRequest } from '#core/ports/cluster.ts'
import { containerNameOf } from '#core/target.ts'
import { connectCluster, type ClusterOptions } from '../../src/kubernetes/cluster.ts'
import { principal } from '../support/samples.ts'
import { examplePod } from '../support/recorded-probe.ts'
import { until } from '../support/until.ts'
import { createFakeApiServer, status, type Answer, type Answers } from './fake-api-server.ts'

const newRequest = (): ContainerRequest =>
  ({ name: containerNameOf(randomUUID()), image: 'toolbox@sha256:0', profile: 'restricted', sharedContainer: null })
const path = '/api/v1/namespaces/shop/pods/web'
const patchPath = `${path}/ephemeralcontainers`
const pod = examplePod({ namespace: 'shop', name: 'web', uid: 'u-1' })
const podObject = (...containers: string[]) =>
  ({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'web', namespace: 'shop', uid: 'u-1' }, spec: { containers: [], ephemeralContainers: containers.map(name => ({ name })) } })

/** Answers in turn; the last one from then on. `drop`: the connection breaks. */
const inTurn = (...answers: (Answer | 'drop')[]): Answers[string] => (_, response) => {
  const answer = answers.length > 1 ? answers.shift()! : answers[0]!
  if (answer !== 'drop') return answer
  response.destroy()
  return null
}
const slow = (seconds: number) => ({ ...status(429, 'slow down')!, headers: { 'retry-after': `${seconds}` } })

async function open (t: Test, answers: Answers, options: Omit<ClusterOptions, 'kubeconfig' | 'context'> = {}) {
  const server = await createFakeApiServer(t, answers)
  const cluster = connectCluster(server.config, options)
  t.teardown(() => cluster.close())
  return { ...server, ...cluster, asked: (method: string) => server.requests.filter(request => request.method === method).length }
}

t.test('what is only asked is asked again after 429, 5xx and broken connections', async t => {
  const { reader, asked } = await open(t, { [`GET ${path}`]: inTurn(slow(1), 'drop', status(500, 'etcdserver: request timed out'), { body: podObject() }) })
  t.match(await reader.pod('shop', 'web'), { uid: 'u-1' })
  t.equal(asked('GET'), 4)
})

t.test('it comes back no sooner than it was told to, and not at all where that is too late', async t => {
  const since = performance.now()
  const patient = await open(t, { [`GET ${path}`]: inTurn(slow(1), { body: podObject() }) })
  await patient.reader.pod('shop', 'web')
  t.ok(performance.now() - since >= 1000)
  const late = await open(t, { [`GET ${path}`]: inTurn(slow(60)) })
  await t.rejects(late.reader.pod('shop', 'web'), { code: 'EPH_CLUSTER_UNAVAILABLE', retryAfterSeconds: 60 })
  t.equal(late.asked('GET'), 1)
})

t.test('an answer is an answer', async t => {
  for (const code of [400, 401, 403, 404, 409, 422]) {
    const { reader, asked } = await open(t, { [`GET ${path}`]: () => status(code, 'no') })
    await reader.pod('shop', 'web').catch(() => {})
    t.equal(asked('GET'), 1, `${code}`)
  }
})

t.test('who gives up ends the pause, with his own reason', async t => {
  const { reader, asked } = await open(t, { [`GET ${path}`]: inTurn(slow(5)) })
  const reason = new Error('enough')
  const controller = new AbortController()
  const reading = reader.pod('shop', 'web', controller.signal)
  await until(() => asked('GET') === 1)
  controller.abort(reason)
  await t.rejects(reading, reason)
})

t.test('an injection whose answer was lost is looked for before it is made again', async t => {
  for (const lost of [status(500, 'lost'), 'drop'] as const) {
    const container = newRequest()
    const { injector, asked } = await open(t, { [`PATCH ${patchPath}`]: inTurn(lost), [`GET ${path}`]: () => ({ body: podObject(container.name) }) })
    await injector.inject(pod, container)
    t.equal(asked('PATCH'), 1, 'it is there: none is made twice')
    t.equal(asked('GET'), 1)
  }
  const container = newRequest()
  const { injector, requests } = await open(t, {
    [`PATCH ${patchPath}`]: inTurn(slow(1), status(503, 'later'), { body: podObject(container.name) }), [`GET ${path}`]: () => ({ body: podObject('other') })
  })
  await injector.inject(pod, container)
  t.same(requests.map(({ method }) => method), ['PATCH', 'GET', 'PATCH', 'GET', 'PATCH'])
  t.equal(new Set(requests.filter(({ method }) => method === 'PATCH').map(({ body }) => body)).size, 1, 'under the same name')
})

t.test('an injection that cannot be looked for is not made again', async t => {
  const { injector, asked } = await open(t, { [`PATCH ${patchPath}`]: inTurn(status(500, 'lost')), [`GET ${path}`]: () => status(500, 'lost') })
  await t.rejects(injector.inject(pod, newRequest()), { code: 'EPH_CLUSTER_UNAVAILABLE' })
  t.equal(asked('PATCH'), 1)
})

t.test('a review without an answer is none', async t => {
  const { reviewer } = await open(t, {
    'POST /apis/authorization.k8s.io/v1/subjectaccessreviews': () => null, 'POST /apis/authentication.k8s.io/v1/tokenreviews': () => null
  })
  const right = { group: '', resource: 'pods', verb: 'get', namespace: 'shop' }
  const since = performance.now()
  const unavailable = { code: 'EPH_CLUSTER_UNAVAILABLE', status: 503 }
  await Promise.all([
    t.rejects(reviewer.allowed({ ...principal, authMethod: 'kubernetes' }, right), unavailable),
    t.rejects(reviewer.authenticate('token', ['ephemera']), unavailable)
  ])
  t.ok(performance.now() - since < 6000, 'long before other calls are given up')
})

t.test('an API server that is away is not asked by each call, until it answers again', async t => {
  const changes: unknown[] = []
  let isAway = true
  const { reader, injector, check, requests } = await open(t, {
    [`GET ${path}`]: () => isAway ? status(503, 'upstream connect error') : { body: podObject() },
    'GET /version': () => isAway ? status(503, 'upstream connect error') : { body: { gitVersion: 'v1.34.4' } }
  }, { changed: why => { changes.push(why) } })
  const unavailable = { code: 'EPH_CLUSTER_UNAVAILABLE', message: /^Cannot read pod "shop\/web": the Kubernetes API answers 503/ }
  for (let nth = 0; nth < 2; nth++) await t.rejects(reader.pod('shop', 'web'), unavailable)
  const asked = () => requests.filter(request => request.path === path).length
  const before = asked()
  for (let nth = 0; nth < 50; nth++) await t.rejects(reader.pod('shop', 'web'), unavailable)
  await t.rejects(injector.inject(pod, newRequest()), { code: 'EPH_CLUSTER_UNAVAILABLE', message: /^Cannot inject into pod "shop\/web"/ })
  await t.rejects(check(), { code: 'EPH_CLUSTER_UNAVAILABLE' })
  t.equal(asked(), before)
  t.notOk(requests.some(({ method }) => method === 'PATCH'))
  isAway = false
  await until(() => changes.length === 2)
  t.match(await reader.pod('shop', 'web'), { uid: 'u-1' })
  t.match(changes, [{ code: 'EPH_CLUSTER_UNAVAILABLE' }, null])
})

t.test('refusals, one object that fails and one webhook that fails are no outage', async t => {
  const changes: unknown[] = []
  const { reader, injector } = await open(t, {
    'GET /api/v1/namespaces/shop/pods/busy': () => slow(60),
    'GET /api/v1/namespaces/shop/pods/denied': () => status(403, 'no'),
    'GET /api/v1/namespaces/shop/pods/broken': () => status(500, 'unable to decode'),
    [`GET ${path}`]: () => ({ body: podObject() }),
    [`PATCH ${patchPath}`]: inTurn(status(503, 'failed calling webhook'))
  }, { changed: why => { changes.push(why) }, requestTimeoutMs: 1000 })
  for (let nth = 0; nth < 6; nth++) await t.rejects(reader.pod('shop', 'busy'), { code: 'EPH_CLUSTER_UNAVAILABLE', retryAfterSeconds: 60 })
  for (let nth = 0; nth < 6; nth++) {
    await t.rejects(reader.pod('shop', 'denied'))
    t.equal(await reader.pod('shop', 'absent'), null)
  }
  await Promise.all(Array.from({ length: 6 }, () => t.rejects(reader.pod('shop', 'broken'), { code: 'EPH_CLUSTER_UNAVAILABLE' })))
  await Promise.all(Array.from({ length: 6 }, () => t.rejects(injector.dryRun(pod, newRequest()), { code: 'EPH_CLUSTER_UNAVAILABLE' })))
  await sleep(0)
  t.match(await reader.pod('shop', 'web'), { uid: 'u-1' })
  t.same(changes, [])
})

import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { inspect } from 'node:util'
import t from 'tap'
import { Problem } from '#core/errors.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { connectCluster } from '../../src/kubernetes/cluster.ts'
import { createFakeApiServer, kubeConfigFor, status } from '../kubernetes/fake-api-server.ts'
import { createFakeReviewer, down } from '../support/fake-reviewer.ts'
import { freePort } from '../support/service.ts'
import { principal } from '../support/samples.ts'

const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_~+/='
const unauthenticated = { code: 'EPH_UNAUTHENTICATED', status: 401 }
const unavailable = { code: 'EPH_CLUSTER_UNAVAILABLE', status: 503 }

function setUp (options: { localToken?: string, audiences?: string[] } = {}) {
  const { fake, reviewer, now } = createFakeReviewer()
  fake.tokens.set(token, principal)
  const counted: string[] = []
  const authenticate = createAuthenticate({ reviewer, audiences: ['ephemera'], count: name => { counted.push(name) }, now, ...options })
  return {
    fake,
    counted,
    send: (authorization?: string | string[], remoteAddress = '10.1.2.3') => authenticate({ headers: { authorization }, remoteAddress }),
    authenticate
  }
}

const errorOf = async (promise: Promise<unknown>): Promise<unknown> => promise.then(() => { throw new Error('It did not reject') }, error => error)

t.test('a token of Kubernetes is reviewed for our audiences, and identifies its owner', async t => {
  const { fake, send, counted } = setUp({ audiences: ['ephemera', 'https://kubernetes.default.svc'] })
  t.same(await send(`Bearer ${token}`), principal)
  t.same(fake.reviewed, [{ token, audiences: ['ephemera', 'https://kubernetes.default.svc'] }])
  t.same(await send(`bearer   ${token}`), principal, 'the scheme has no case')
  t.same(counted, [])
})

t.test('what is no single Bearer token is refused without asking the API server, and counted', async t => {
  const { fake, send, counted, authenticate } = setUp()
  const bad = [
    undefined, '', ' ', token, 'Bearer', 'Bearer ', `Basic ${token}`, `Token ${token}`, `Bearer${token}`, `Bearer ${token} ${token}`,
    `Bearer ${token}, Bearer ${token}`, `Bearer ${token},`, `Bearer ${token}\n`, `Bearer ${token}\0`, `Bearer ${token}é`, `Bearer\t${token}`,
    `Bearer ${'a'.repeat(16385)}`, [], [`Bearer ${token}`], [`Bearer ${token}`, `Bearer ${token}`]
  ]
  for (const authorization of bad) await t.rejects(send(authorization), unauthenticated, inspect(authorization).slice(0, 80))
  await t.rejects(authenticate({ headers: { 'x-remote-user': 'admin', 'impersonate-user': 'admin', cookie: `token=${token}` }, remoteAddress: '127.0.0.1' }), unauthenticated)
  t.same(fake.reviewed, [])
  t.equal(counted.length, bad.length + 1)
  t.same(new Set(counted), new Set(['ephemera_unauthenticated_total']))
  await t.rejects(send(`Bearer ${'a'.repeat(16384)}`), unauthenticated)
  t.equal(fake.reviewed.length, 1, 'the longest one is reviewed')
})

t.test('a token that is not valid is refused with what to do', async t => {
  const { send, counted } = setUp({ audiences: ['ephemera', 'api'] })
  const message = 'Cannot accept the token: it has expired, was revoked, or was not made for ephemera or api (kubectl create token SERVICEACCOUNT --audience=ephemera)'
  await t.rejects(send('Bearer stale'), { ...unauthenticated, message })
  t.equal(counted.length, 1)
})

t.test('a valid token is reviewed again after 10 s, and one that was revoked is refused from then on', async t => {
  const { fake, send } = setUp()
  await send(`Bearer ${token}`)
  fake.tokens.delete(token)
  fake.milliseconds = 9999
  t.same(await send(`Bearer ${token}`), principal)
  t.equal(fake.reviewed.length, 1)
  fake.milliseconds = 10_000
  await t.rejects(send(`Bearer ${token}`), unauthenticated)
  t.equal(fake.reviewed.length, 2)
})

t.test('a refused token is reviewed at most once in 2 s', async t => {
  const { fake, send } = setUp()
  for (let n = 0; n < 20; n++) await t.rejects(send('Bearer later'), unauthenticated)
  t.equal(fake.reviewed.length, 1)
  fake.tokens.set('later', principal)
  fake.milliseconds = 2000
  t.same(await send('Bearer later'), principal)
})

t.test('the same token at once is reviewed once, another one is not taken for it', async t => {
  const { fake, send } = setUp()
  const other = token.replace(/.=$/, 'A=')
  fake.tokens.set(other, { ...principal, username: 'bob' })
  const gate = Promise.withResolvers<void>()
  fake.before = () => gate.promise
  const calls = [...Array.from({ length: 30 }, () => send(`Bearer ${token}`)), send(`Bearer ${other}`)]
  gate.resolve()
  const names = (await Promise.all(calls)).map(({ username }) => username)
  t.same(names, [...Array.from({ length: 30 }, () => 'ada'), 'bob'])
  t.equal(fake.reviewed.length, 2)
})

t.test('without an answer of the API server nobody is identified, and nothing is kept of it', async t => {
  const { fake, send, counted } = setUp()
  fake.before = async () => { throw down() }
  await t.rejects(send(`Bearer ${token}`), unavailable)
  fake.before = async () => { throw new Problem('EPH_NOT_FOUND', 'Cannot review a token: the server could not find the requested resource') }
  await t.rejects(send(`Bearer ${token}`), unavailable, 'and it is not the caller who is told that there is nothing here')
  fake.before = async () => { throw new Problem('EPH_ACCOUNT_FORBIDDEN', 'Cannot review a token') }
  await t.rejects(send(`Bearer ${token}`), { code: 'EPH_ACCOUNT_FORBIDDEN', status: 503 })
  t.same(counted, [], 'an outage is no invalid token')
  fake.before = async () => {}
  t.same(await send(`Bearer ${token}`), principal)
  fake.before = async () => { throw down() }
  fake.milliseconds = 9999
  t.same(await send(`Bearer ${token}`), principal)
  fake.milliseconds = 10_000
  await t.rejects(send(`Bearer ${token}`), unavailable)
})

t.test('a token stands in no error', async t => {
  const dead = connectCluster(kubeConfigFor(await freePort()))
  const failing = await createFakeApiServer(t, { 'POST /apis/authentication.k8s.io/v1/tokenreviews': () => status(500, 'etcd is down') })
  const failed = connectCluster(failing.config)
  t.teardown(async () => { await Promise.all([dead.close(), failed.close()]) })
  const errors = [errorOf(setUp().send('Bearer stale-stale')), errorOf(setUp().send('Bearer stale-stale,')), errorOf(setUp().send('Basic stale-stale'))]
  for (const { reviewer } of [dead, failed]) {
    const authenticate = createAuthenticate({ reviewer, audiences: ['ephemera'] })
    const error = errorOf(authenticate({ headers: { authorization: 'Bearer stale-stale' }, remoteAddress: '' }))
    await t.resolveMatch(error, unavailable)
    errors.push(error)
  }
  t.match(failing.requests, [{ body: /stale-stale/ }])
  for (const error of await Promise.all(errors)) t.notMatch(inspect(error, { depth: 20, showHidden: true }), /stale-stale/)
})

t.test('the API server must say that the token was made for one of our audiences', async t => {
  const user = { username: 'ada', uid: 'u-1', groups: ['g'], extra: { key: ['value'] } }
  let answer: object = {}
  const server = await createFakeApiServer(t, { 'POST /apis/authentication.k8s.io/v1/tokenreviews': () => ({ status: 201, body: { status: answer } }) })
  const { reviewer, close } = connectCluster(server.config)
  t.teardown(close)
  const review = (status: object) => {
    answer = status
    return createAuthenticate({ reviewer, audiences: ['ephemera'] })({ headers: { authorization: 'Bearer t' }, remoteAddress: '' })
  }
  t.same(await review({ authenticated: true, user, audiences: ['ephemera'] }), { ...user, authMethod: 'kubernetes', actor: null })
  t.match(JSON.parse(server.requests[0]!.body), { spec: { token: 't', audiences: ['ephemera'] } })
  for (const status of [
    { authenticated: true, user }, { authenticated: true, user, audiences: [] }, { authenticated: true, user, audiences: ['api'] },
    { authenticated: true, user: {}, audiences: ['ephemera'] }, { authenticated: false, user, audiences: ['ephemera'] }, {}
  ]) await t.rejects(review(status), unauthenticated, JSON.stringify(status))
})

const localToken = 'a-local-token-of-this-test'

t.test('the local token acts as the kubeconfig, which is asked once', async t => {
  const { fake, send, counted } = setUp({ localToken })
  t.equal(fake.selves, 0, 'not before somebody calls')
  const callers = await Promise.all(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'].map(address => send(`Bearer ${localToken}`, address)))
  for (const caller of callers) t.match(caller, { username: 'kubernetes-admin', authMethod: 'local', actor: null })
  t.equal(fake.selves, 1)
  t.same(fake.reviewed, [], 'and never sent to the API server')
  t.same(counted, [])
})

t.test('the local token is refused from elsewhere, and every other token is', async t => {
  const { fake, send, counted } = setUp({ localToken })
  for (const address of ['', '10.0.0.1', '::', '0.0.0.0', '::ffff:10.0.0.1', 'fe80::1', '128.0.0.1', 'localhost', '127.0.0.1, 10.0.0.1']) {
    await t.rejects(send(`Bearer ${localToken}`, address), unauthenticated, `from "${address}"`)
  }
  for (const other of [token, localToken.slice(0, -1), `${localToken}x`, localToken.toUpperCase()]) {
    await t.rejects(send(`Bearer ${other}`, '127.0.0.1'), { ...unauthenticated, message: /EPHEMERA_TOKEN/ }, other)
  }
  t.same([fake.selves, fake.reviewed.length], [0, 0])
  t.equal(counted.length, 13)
})

t.test('the local token is compared in constant time, by digests', async t => {
  const compared = t.capture(crypto, 'timingSafeEqual', crypto.timingSafeEqual)
  syncBuiltinESMExports()
  t.teardown(syncBuiltinESMExports)
  const { send } = setUp({ localToken })
  await t.rejects(send('Bearer short', '127.0.0.1'), unauthenticated)
  await send(`Bearer ${localToken}`, '127.0.0.1')
  const calls = compared()
  t.equal(calls.length, 2)
  for (const { args } of calls) t.same(args.map(part => (part as Buffer).length), [32, 32])
})

t.test('a cluster that does not say who the kubeconfig is, is asked again; one that cannot, is not', async t => {
  const { fake, send } = setUp({ localToken })
  fake.before = async () => { throw down() }
  for (let n = 0; n < 2; n++) await t.rejects(send(`Bearer ${localToken}`, '::1'), unavailable)
  fake.before = async () => { throw new Problem('EPH_NOT_FOUND', 'Cannot ask who Ephemera is: the server could not find the requested resource') }
  for (let n = 0; n < 2; n++) t.match(await send(`Bearer ${localToken}`, '::1'), { username: 'kubeconfig', groups: [], authMethod: 'local' })
  t.equal(fake.selves, 3)
})

t.test('a local token that no header can carry is refused at the start', async t => {
  for (const bad of ['with a space in it', 'a,comma-separated-one', 'ümläute-ümläute-ü', 'a\nb', '', 'a'.repeat(16385)]) {
    t.throws(() => setUp({ localToken: bad }), { message: /^Cannot use EPHEMERA_TOKEN: / })
  }
})

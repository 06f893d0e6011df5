import { sign } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { t } from 'tap'
import type { Authenticate } from '#core/ports/authority.ts'
import type { Principal } from '#core/principal.ts'
import { right } from '#core/principal.ts'
import { createAuthenticate } from '../../src/auth/authenticate.ts'
import { createAuthority } from '../../src/auth/authorize.ts'
import { labCluster, labServer } from '../support/cluster.ts'
import { createFaultProxy } from '../support/fault-proxy.ts'
import { apply, kubeconfig, kubectl, makeNamespace } from '../support/lab.ts'

const { reviewer } = labCluster(t)
const namespace = makeNamespace(t)
const issuer = 'https://kubernetes.default.svc'
const unauthenticated = { code: 'EPH_UNAUTHENTICATED' }
const unavailable = { code: 'EPH_CLUSTER_UNAVAILABLE' }

const makeAccount = (name: string): string => JSON.parse(kubectl('create', 'serviceaccount', '-n', namespace, name, '-o', 'json')).metadata.uid
const tokenOf = (name: string, ...options: string[]) => kubectl('create', 'token', '-n', namespace, name, ...options).trim()
const usernameOf = (name: string) => `system:serviceaccount:${namespace}:${name}`
const authenticator = (...audiences: string[]) => createAuthenticate({ reviewer, audiences })
const send = (authenticate: Authenticate, token: string): Promise<Principal> =>
  authenticate({ headers: { authorization: `Bearer ${token}` }, remoteAddress: '10.0.0.1' })

/** A Role of this namespace with one rule, and its RoleBinding, for one ServiceAccount. */
function grant (name: string, account: string, verbs: string[], resources: string[]): void {
  const rules = [{ apiGroups: ['ephemera.dev'], resources, verbs }]
  apply({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { namespace, name }, rules })
  kubectl('create', 'rolebinding', '-n', namespace, name, `--role=${name}`, `--serviceaccount=${namespace}:${account}`)
}

/** Waits until it is so; answers after how many milliseconds. The API server itself learns of changes by watching. */
async function until (isTrue: () => Promise<boolean>): Promise<number> {
  const since = Date.now()
  while (!await isTrue()) {
    if (Date.now() - since > 60_000) throw new Error('Waited for 60 s')
    await sleep(100)
  }
  return Date.now() - since
}

const isRefused = (authenticate: Authenticate, token: string) => send(authenticate, token).then(() => false, error => {
  if (error.code !== unauthenticated.code) throw error
  return true
})

t.test('a token counts for its audience only', async t => {
  const uid = makeAccount('caller')
  const [ours, api, others] = [tokenOf('caller', '--audience=ephemera'), tokenOf('caller'), tokenOf('caller', '--audience=somebody-else')]
  const both = tokenOf('caller', '--audience=ephemera', '--audience=somebody-else')
  const expected = { username: usernameOf('caller'), uid, authMethod: 'kubernetes', actor: null }
  const strict = authenticator('ephemera')
  const caller = await send(strict, ours)
  t.match(caller, expected)
  t.ok(caller.groups.includes(`system:serviceaccounts:${namespace}`))
  t.match(await send(strict, both), expected)
  for (const token of [api, others]) await t.rejects(send(strict, token), unauthenticated)
  const open = authenticator('ephemera', issuer)
  for (const token of [ours, api]) t.match(await send(open, token), expected)
  await t.rejects(send(open, others), unauthenticated)
})

t.test('garbage, and a token that was tampered with, identify nobody', async t => {
  makeAccount('tampered')
  const token = tokenOf('tampered', '--audience=ephemera')
  const [head, body, signature] = token.split('.') as [string, string, string]
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const authenticate = authenticator('ephemera')
  for (const bad of [
    'garbage', 'a.b.c', `${head}.${body}.`, `${head}.${body}`, `${token}x`,
    `${head}.${encode({ ...claims, sub: 'system:serviceaccount:kube-system:default' })}.${signature}`,
    `${encode({ alg: 'none' })}.${body}.`, 'a'.repeat(16384)
  ]) await t.rejects(send(authenticate, bad), unauthenticated, bad.slice(0, 40))
  t.match(await send(authenticate, token), { username: usernameOf('tampered') })
})

const key = join(dirname(kubeconfig()), 'pki', 'service-accounts.key')

t.test('an expired token identifies nobody', { skip: existsSync(key) ? false : 'only the lab\'s own key makes one' }, async t => {
  const uid = makeAccount('expiring')
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  function signed (expiresIn: number): string {
    const now = Math.floor(Date.now() / 1000)
    const text = `${encode({ alg: 'ES256' })}.${encode({
      iss: issuer,
      sub: usernameOf('expiring'),
      aud: ['ephemera'],
      iat: now - 7200,
      nbf: now - 7200,
      exp: now + expiresIn,
      'kubernetes.io': { namespace, serviceaccount: { name: 'expiring', uid } }
    })}`
    return `${text}.${sign('sha256', Buffer.from(text), { key: readFileSync(key), dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  t.match(await send(authenticator('ephemera'), signed(3600)), { username: usernameOf('expiring') }, 'the same that lives is accepted')
  await t.rejects(send(authenticator('ephemera'), signed(-3600)), unauthenticated)
})

t.test('the token of a deleted ServiceAccount identifies nobody, at the latest 10 s after the API server says so', async t => {
  makeAccount('leaving')
  const token = tokenOf('leaving', '--audience=ephemera')
  const authenticate = authenticator('ephemera')
  await send(authenticate, token)
  kubectl('delete', 'serviceaccount', '-n', namespace, 'leaving')
  // The API server believes its own answers for 10 s too.
  await until(() => isRefused(authenticator('ephemera'), token))
  const took = await until(() => isRefused(authenticate, token))
  t.ok(took < 20_000, `${took} ms`)
  makeAccount('leaving')
  await t.rejects(send(authenticator('ephemera'), token), unauthenticated, 'nor when another of the same name was made')
})

t.test('a Role lets through what it names and nothing else', async t => {
  makeAccount('launcher')
  const caller = await send(authenticator('ephemera'), tokenOf('launcher', '--audience=ephemera'))
  const { may, demand } = createAuthority({ reviewer })
  const launch = right('create', 'jobs', namespace)
  await t.rejects(demand(caller, launch), {
    code: 'EPH_FORBIDDEN',
    message: `Cannot create jobs in namespace "${namespace}": ServiceAccount "${namespace}/launcher" lacks the rule ` +
      `- {apiGroups: [ephemera.dev], resources: [jobs], verbs: [create]} in namespace "${namespace}", by a Role and a RoleBinding`
  })
  grant('launcher', 'launcher', ['create'], ['jobs'])
  await until(() => may(caller, launch))
  await demand(caller, launch, { fresh: true })
  for (const other of [
    ...['get', 'list', 'watch', 'update', 'delete'].map(verb => right(verb, 'jobs', namespace)),
    ...['captures', 'commands', 'shells'].map(resource => right('create', resource, namespace)),
    right('get', 'payloads', namespace), right('create', 'jobs', namespace, 'approval'), right('create', 'jobs', 'shop'), right('create', 'jobs', ''),
    { ...launch, group: 'batch' }, { ...launch, group: '' }
  ]) t.equal(await may(caller, other), false, JSON.stringify(other))
})

t.test('a right that was taken away is gone at once past the cache, and within 10 s without', async t => {
  makeAccount('demoted')
  grant('demoted', 'demoted', ['create'], ['jobs'])
  const caller = await send(authenticator('ephemera'), tokenOf('demoted', '--audience=ephemera'))
  const launch = right('create', 'jobs', namespace)
  const [asking, cached] = [createAuthority({ reviewer }), createAuthority({ reviewer })]
  await until(() => asking.may(caller, launch, { fresh: true }))
  await until(() => cached.may(caller, launch))
  kubectl('delete', 'rolebinding', '-n', namespace, 'demoted')
  const fresh = await until(async () => !await asking.may(caller, launch, { fresh: true }))
  t.ok(fresh < 5000, `${fresh} ms past the cache`)
  t.equal(await asking.may(caller, launch), false)
  const took = await until(async () => !await cached.may(caller, launch))
  t.ok(took < 15_000, `${took} ms with the cache`)
})

t.test('the local token acts as the kubeconfig, by its own rights', async t => {
  const authenticate = createAuthenticate({ reviewer, audiences: ['ephemera'], localToken: 'local-token-of-a-test' })
  const self = await authenticate({ headers: { authorization: 'Bearer local-token-of-a-test' }, remoteAddress: '::1' })
  t.match(self, { ...await reviewer.self(), authMethod: 'local' })
  const { may } = createAuthority({ reviewer })
  t.equal(await may(self, right('create', 'jobs', namespace)), await reviewer.selfAllowed(right('create', 'jobs', namespace)))
  // The name alone gives nothing: asked as any other caller it has only what RBAC gives to it.
  t.equal(await may({ ...self, groups: [], authMethod: 'kubernetes' }, right('create', 'jobs', namespace)), false)
  await t.rejects(authenticate({ headers: { authorization: `Bearer ${tokenOf('default', '--audience=ephemera')}` }, remoteAddress: '::1' }), unauthenticated)
})

t.test('an API server that is gone, or says nothing, lets nobody through', async t => {
  makeAccount('waiting')
  grant('waiting', 'waiting', ['create'], ['jobs'])
  const [token, second] = [tokenOf('waiting', '--audience=ephemera'), tokenOf('waiting', '--audience=ephemera')]
  const proxy = await createFaultProxy(t, labServer())
  const { reviewer } = labCluster(t, { port: proxy.port, requestTimeoutMs: 3000 })
  const authenticate = createAuthenticate({ reviewer, audiences: ['ephemera'] })
  const { may } = createAuthority({ reviewer })
  const launch = right('create', 'jobs', namespace)
  const caller = await send(authenticate, token)
  await until(() => may(caller, launch))
  async function isClosed (): Promise<void> {
    await t.rejects(send(authenticate, second), unavailable)
    await t.rejects(may(caller, launch, { fresh: true }), unavailable)
    await t.rejects(may(caller, right('get', 'jobs', namespace)), unavailable)
  }
  proxy.refuse(true)
  proxy.cut()
  await isClosed()
  proxy.refuse(false)
  await until(() => may(caller, launch, { fresh: true }).catch(() => false))
  proxy.blackhole()
  await isClosed()
  proxy.heal()
  proxy.cut()
  await until(() => may(caller, launch, { fresh: true }).catch(() => false))
  t.match(await send(authenticate, second), { username: usernameOf('waiting') })
})

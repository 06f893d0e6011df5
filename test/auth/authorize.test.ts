import t from 'tap'
import { parse } from 'yaml'
import { Problem } from '#core/errors.ts'
import { right, type Principal, type Right } from '#core/principal.ts'
import { createAuthority } from '../../src/auth/authorize.ts'
import { createFakeReviewer, down } from '../support/fake-reviewer.ts'

const ada: Principal = { username: 'ada', uid: 'u-1', groups: ['dev'], extra: {}, authMethod: 'kubernetes', actor: null }
const launch = right('create', 'jobs', 'shop')
const forbidden = { code: 'EPH_FORBIDDEN', status: 403 }
const unavailable = { code: 'EPH_CLUSTER_UNAVAILABLE', status: 503 }

function setUp () {
  const { fake, reviewer, now } = createFakeReviewer()
  const counted: string[] = []
  return { fake, counted, ...createAuthority({ reviewer, count: name => { counted.push(name) }, now }) }
}

t.test('a right is what Kubernetes says of this caller', async t => {
  const { fake, may, demand, counted } = setUp()
  fake.allowed = async (_principal, { resource }) => resource === 'jobs'
  await demand(ada, launch)
  t.equal(await may(ada, launch), true)
  t.equal(await may(ada, right('create', 'captures', 'shop')), false)
  t.same(fake.asked, [{ principal: ada, right: launch }, { principal: ada, right: right('create', 'captures', 'shop') }])
  t.same(counted, [], 'a question is no refusal')
})

t.test('a right that was taken away is gone within 10 s, and at once past the cache', async t => {
  const { fake, may, demand } = setUp()
  await demand(ada, launch)
  fake.allowed = async () => false
  fake.milliseconds = 9999
  t.equal(await may(ada, launch), true)
  t.equal(fake.asked.length, 1)
  fake.milliseconds = 10_000
  t.equal(await may(ada, launch), false)

  fake.milliseconds = 20_000
  fake.allowed = async () => true
  t.equal(await may(ada, launch), true)
  fake.allowed = async () => false
  await t.rejects(demand(ada, launch, { fresh: true }), forbidden)
  t.equal(await may(ada, launch), false, 'and what the cache held is replaced')
})

t.test('a right that was given counts after a second, and at once past the cache', async t => {
  const { fake, may } = setUp()
  fake.allowed = async () => false
  t.equal(await may(ada, launch), false)
  fake.allowed = async () => true
  t.equal(await may(ada, launch, { fresh: true }), true)
  const list = right('list', 'jobs', '')
  fake.allowed = async () => false
  t.equal(await may(ada, list), false)
  fake.allowed = async () => true
  fake.milliseconds = 1000
  t.equal(await may(ada, list), true)
})

t.test('no caller and no right is taken for another that looks alike', async t => {
  const { fake, may } = setUp()
  const callers: Principal[] = [
    ada,
    { ...ada, groups: ['dev', 'admin'] }, { ...ada, groups: ['dev,admin'] }, { ...ada, groups: ['dev","admin'] }, { ...ada, groups: [] },
    { ...ada, username: 'ad', uid: 'au-1' }, { ...ada, uid: 'u-2' }, { ...ada, username: 'Ada' },
    { ...ada, extra: { scopes: ['a', 'b'] } }, { ...ada, extra: { scopes: ['a'] } }, { ...ada, extra: { scopes: ['a,b'] } }, { ...ada, extra: { a: [], b: [] } },
    { ...ada, actor: 'portal' }, { ...ada, authMethod: 'local' }
  ]
  const rights: Right[] = [
    launch, right('create', 'jobs', ''), right('create', 'jobs', 'shop-2'), right('get', 'jobs', 'shop'), right('create', 'jobs', 'shop', 'approval'),
    right('create', 'jobs/approval', 'shop'), { ...launch, group: '' }, { ...launch, group: 'batch' }
  ]
  for (const caller of callers) for (const each of rights) await may(caller, each)
  t.equal(fake.asked.length, callers.length * rights.length)
  t.same(fake.asked.map(({ principal, right }) => [principal, right]), callers.flatMap(caller => rights.map(each => [caller, each])))
})

t.test('a caller of the same name without the group is denied while the other is allowed', async t => {
  const { fake, may } = setUp()
  fake.allowed = async ({ groups }) => groups.includes('admin')
  t.equal(await may({ ...ada, groups: ['dev', 'admin'] }, launch), true)
  t.equal(await may(ada, launch), false)
  t.equal(await may({ ...ada, groups: ['admin', 'dev'] }, launch), true)
  t.equal(fake.asked.length, 2, 'the order of groups means nothing')
})

t.test('equal questions at once are one review', async t => {
  const { fake, may } = setUp()
  const gate = Promise.withResolvers<void>()
  fake.before = () => gate.promise
  const answers = Promise.all(Array.from({ length: 50 }, () => may(structuredClone(ada), { ...launch })))
  gate.resolve()
  t.same(new Set(await answers), new Set([true]))
  t.equal(fake.asked.length, 1)
})

t.test('without an answer of the API server nobody may anything', async t => {
  const { fake, may, demand, counted } = setUp()
  t.equal(await may(ada, launch), true)
  fake.before = async () => { throw down() }
  fake.milliseconds = 9999
  t.equal(await may(ada, launch), true, 'what was just answered holds')
  await t.rejects(may(ada, launch, { fresh: true }), unavailable)
  fake.milliseconds = 10_000
  await t.rejects(may(ada, launch), unavailable)
  await t.rejects(demand(ada, launch), unavailable)
  fake.before = async () => { throw new Problem('EPH_ADMISSION_DENIED', 'Cannot ask for the rights of "ada": is invalid') }
  await t.rejects(demand(ada, launch), unavailable, 'nor is a refusal of our question one of the caller\'s')
  t.same(counted, [])
})

t.test('a refusal names the missing rule, where and for whom, and is counted', async t => {
  const { fake, demand, counted } = setUp()
  fake.allowed = async () => false
  const messageOf = (principal: Principal, each: Right) =>
    demand(principal, each).then(() => '', (error: Problem) => {
      t.match(error, forbidden)
      return error.message
    })
  t.equal(await messageOf(ada, right('create', 'captures', 'shop')),
    'Cannot create captures in namespace "shop": user "ada" lacks the rule ' +
    '- {apiGroups: [ephemera.dev], resources: [captures], verbs: [create]} in namespace "shop", by a Role and a RoleBinding')
  t.equal(await messageOf({ ...ada, username: 'system:serviceaccount:ops:remediator' }, right('get', 'auditevents', '')),
    'Cannot get auditevents: ServiceAccount "ops/remediator" lacks the rule ' +
    '- {apiGroups: [ephemera.dev], resources: [auditevents], verbs: [get]} cluster-wide, by a ClusterRole and a ClusterRoleBinding')
  t.match(await messageOf(ada, right('update', 'jobs', 'shop', 'approval')), 'resources: [jobs/approval]')
  t.match(await messageOf({ ...ada, username: 'a"b\nc' }, launch), 'user "a\\"b\\nc" lacks')
  t.same(counted, Array.from({ length: 4 }, () => 'ephemera_forbidden_total'))

  const [, rule] = /(- \{.*\})/.exec(await messageOf(ada, { group: '', resource: 'pods', verb: 'list', namespace: 'shop' })) ?? []
  t.same(parse(`rules:\n${rule}`), { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }] })
})

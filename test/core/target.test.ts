import { randomUUID } from 'node:crypto'
import t from 'tap'
import { checkInput } from '#core/check-input.ts'
import { checkTarget, containerNameOf, isOurs, Target } from '#core/target.ts'

const ways = {
  pod: 'web',
  workload: { kind: 'Deployment', name: 'web' },
  service: 'web',
  labelSelector: 'app=web'
} as const

t.test('a target names exactly one of its four ways: every combination', t => {
  const names = Object.keys(ways) as (keyof typeof ways)[]
  for (let bits = 0; bits < 1 << names.length; bits++) {
    const named = names.filter((_, index) => bits & 1 << index)
    const target = { namespace: 'shop', ...Object.fromEntries(named.map(name => [name, ways[name]])) }
    const check = () => { checkTarget(target) }
    if (named.length === 1) t.doesNotThrow(check, named.join())
    else t.throws(check, { code: 'EPH_INVALID_REQUEST', errors: [{ pointer: '/target' }] }, named.join())
  }
  t.end()
})

t.test('names that are no names of Kubernetes are refused by the schema', t => {
  const bad = ['', '..', '../x', 'a%2fb', 'web?x', 'web/exec', 'Web', '-web', 'web-', 'web.', '.web', 'a..b', 'we b', 'web\0', 'web\n', 'ｗeb', 'a'.repeat(254)]
  for (const name of bad) {
    for (const target of [{ pod: name }, { service: name }, { workload: { kind: 'Deployment', name } }, { pod: 'web', targetContainer: name }]) {
      t.throws(() => checkInput(Target, { namespace: 'shop', ...target }), { code: 'EPH_INVALID_REQUEST' }, JSON.stringify(target))
    }
    t.throws(() => checkInput(Target, { namespace: name, pod: 'web' }), { code: 'EPH_INVALID_REQUEST' })
  }
  for (const pod of ['web', 'web-7d9c', 'web.1', '0', 'a'.repeat(253)]) t.equal(checkInput(Target, { namespace: 'shop', pod }).pod, pod)
  t.end()
})

t.test('a container of ours is known by its name, and only that', t => {
  const id = randomUUID()
  t.ok(isOurs(containerNameOf(id)))
  for (const name of ['app', 'ephemera-', 'ephemera-app', `ephemera-${id}`, `x${containerNameOf(id)}`, `${containerNameOf(id)}0`]) t.notOk(isOurs(name), name)
  t.end()
})

import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { AuditEvent } from '#core/ports/storage.ts'
import type { Principal } from '#core/principal.ts'
import { createRefusals } from '#core/refusals.ts'

const principal: Principal = { username: 'ann', uid: '', groups: [], authMethod: 'kubernetes', actor: null, extra: {} }

function recorder () {
  const events: AuditEvent[] = []
  return { events, refusals: createRefusals(async event => { events.push(event) }) }
}

t.test('records what a transport refuses, once, and never whole bodies', async t => {
  const { events, refusals } = recorder()
  const problem = new Problem('EPH_INVALID_REQUEST', 'x'.repeat(5000), { errors: [{ pointer: `/${'p'.repeat(5000)}`, detail: 'is wrong' }] })
  await refusals.record({ principal, namespace: 'shop', object: '/v1/jobs', problem })
  t.match(events, [{ action: 'refuse', outcome: 'denied', principal, namespace: 'shop', object: '/v1/jobs', code: 'EPH_INVALID_REQUEST' }])
  t.ok(JSON.stringify(events).length < 2000)
})

t.test('a namespace that is none is not written down as one', async t => {
  const { events, refusals } = recorder()
  for (const namespace of ['../x', 'a\0b', 7, null, undefined, {}]) {
    await refusals.record({ principal, namespace, object: '/v1/jobs', problem: new Problem('EPH_INVALID_REQUEST', 'x') })
  }
  t.same(events.map(event => event.namespace), [null, null, null, null, null, null])
})

t.test('records neither failures of ours, nor callers without identity, nor those who are too many', async t => {
  const { events, refusals } = recorder()
  await refusals.record({ principal: null, namespace: 'shop', object: '/', problem: new Problem('EPH_UNAUTHENTICATED', 'x') })
  await refusals.record({ principal, namespace: 'shop', object: '/', problem: new Problem('EPH_INTERNAL', 'x') })
  await refusals.record({ principal, namespace: 'shop', object: '/', problem: new Problem('EPH_DATABASE_UNAVAILABLE', 'x') })
  await refusals.record({ principal, namespace: 'shop', object: '/', problem: new Problem('EPH_RATE_LIMITED', 'x') })
  t.same(events, [])
})

t.test('what a use case refused is left to it, thrown or rejected', async t => {
  const { events, refusals } = recorder()
  const later = new Problem('EPH_FORBIDDEN', 'x')
  const watched = refusals.watch({ name: 'use cases', launch: async () => { throw later }, read: async () => 'job' })
  await t.rejects(watched.launch(), { code: 'EPH_FORBIDDEN' })
  t.equal(await watched.read(), 'job')
  t.equal(watched.name, 'use cases')
  await refusals.record({ principal, namespace: 'shop', object: '/', problem: later })
  t.same(events, [])
})

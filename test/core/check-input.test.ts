import t from 'tap'
import { Type } from 'typebox'
import { checkInput } from '#core/check-input.ts'
import { demandSupported } from '#core/demand-supported.ts'
import type { Problem } from '#core/errors.ts'
import { JobRequest } from '#core/job.ts'

const request = { diagnostic: 'dns-lookup', target: { namespace: 'shop', pod: 'web' } }

function problemOf (body: unknown): Problem | null {
  try {
    checkInput(JobRequest, body)
    return null
  } catch (error) {
    return error as Problem
  }
}

t.test('takes what the contract shows, and answers a new object', t => {
  const body = {
    ...request,
    target: { ...request.target, targetContainer: 'app' },
    params: { names: ['orders.shop.svc.cluster.local'], types: ['A'] },
    reason: 'INC-4711 checkout cannot reach orders',
    labels: { alert: 'CheckoutErrors' },
    image: 'toolbox',
    timeoutSeconds: 30,
    startWithinSeconds: 300,
    priority: 'interactive'
  }
  const checked = checkInput(JobRequest, body)
  t.match(checked, body)
  t.not(checked, body)
  t.end()
})

t.test('says in words what a text must be', t => {
  const detailOf = (body: object) => problemOf({ ...request, ...body })?.errors[0]?.detail
  t.equal(detailOf({ target: { namespace: 'Shop' } }), 'must be at most 63 lower-case letters, digits and "-", with a letter or digit at both ends')
  t.equal(detailOf({ target: { namespace: 'shop', pod: 'web?x' } }), 'must be at most 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends of each part')
  t.equal(detailOf({ image: 'docker.io/library/busybox' }), 'must be at most 63 lower-case letters, digits and "-", and begin with a letter or digit')
  t.equal(detailOf({ labels: { 'on call': 'eve' } }), 'its name must be at most 63 letters, digits, "_", ".", "/" and "-", with a letter or digit at both ends')
  t.equal(detailOf({ labels: { team: 'on call' } }), 'must be empty, or at most 63 letters, digits, "_", "." and "-", with a letter or digit at both ends')
  t.equal(detailOf({ reason: 'a\0b' }), 'must not contain NUL')
  t.end()
})

t.test('points to each field that is unknown, missing or out of its range', t => {
  const wrong: [object, string[]][] = [
    [{ surprise: 1 }, ['/surprise']],
    [{ diagnostic: undefined }, ['/diagnostic']],
    [{ diagnostic: 'x'.repeat(64) }, ['/diagnostic']],
    [{ timeoutSeconds: 0 }, ['/timeoutSeconds']],
    [{ timeoutSeconds: 3601 }, ['/timeoutSeconds']],
    [{ timeoutSeconds: '30' }, ['/timeoutSeconds']],
    [{ startWithinSeconds: 0 }, ['/startWithinSeconds']],
    [{ priority: 'urgent' }, ['/priority']],
    [{ reason: 'a\0b' }, ['/reason']],
    [{ reason: 'x'.repeat(1001) }, ['/reason']],
    [{ image: 'docker.io/library/busybox' }, ['/image']],
    [{ labels: { 'a b': 'c' } }, ['/labels/a b']],
    [{ target: { namespace: 'shop', pod: 'web', maxPods: 51 } }, ['/target/maxPods']],
    [{ target: { namespace: 'shop', surprise: 1 } }, ['/target/surprise']],
    [{ target: { namespace: 'shop', workload: { kind: 'Pod', name: 'web' } } }, ['/target/workload/kind']]
  ]
  for (const [fields, pointers] of wrong) {
    const problem = problemOf(JSON.parse(JSON.stringify({ ...request, ...fields })))
    t.equal(problem?.code, 'EPH_INVALID_REQUEST', JSON.stringify(fields))
    t.same(problem?.errors.map(({ pointer }) => pointer), pointers)
    t.match(problem?.message, /^Cannot read the request: /)
  }
  t.end()
})

t.test('what is no object at all is refused too', t => {
  for (const body of [null, undefined, [], 'x', 1, true]) t.equal(problemOf(body)?.code, 'EPH_INVALID_REQUEST', JSON.stringify(body))
  t.end()
})

t.test('a flood of wrong fields is answered with a few', t => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`field${index}`, 1]))
  t.ok(problemOf({ ...request, ...many })!.errors.length <= 20)
  t.end()
})

t.test('a field with a prefix is pointed to below it', t => {
  t.throws(() => checkInput(Type.Object({ limit: Type.Integer() }), { limit: 'x' }, '/query'), { errors: [{ pointer: '/query/limit' }] })
  t.end()
})

t.test('fields that do nothing yet are refused, not ignored', t => {
  t.doesNotThrow(() => demandSupported(request))
  t.throws(() => demandSupported({ ...request, notify: ['x'] }), {
    code: 'EPH_NOT_SUPPORTED', status: 422, errors: [{ pointer: '/notify' }]
  })
  t.end()
})

import t from 'tap'
import { Problem } from '#core/errors.ts'
import { retryHeaders } from '#core/retry-headers.ts'

t.test('a refusal that passes says when to come back, and a quota stands beside those that are named already', t => {
  t.same(retryHeaders(new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot'), { ratelimit: 'x' }), { 'retry-after': '5' })
  const full = new Problem('EPH_QUOTA', 'Cannot', { retryAfterSeconds: 7, quota: { name: 'queued', limit: 10 } })
  t.same(retryHeaders(full, {}), { 'retry-after': '7', 'ratelimit-policy': '"queued";q=10', ratelimit: '"queued";r=0;t=7' })
  t.same(retryHeaders(full, { 'ratelimit-policy': '"caller";q=1;w=60', ratelimit: '"caller";r=0;t=9' }), {
    'retry-after': '7', 'ratelimit-policy': '"caller";q=1;w=60, "queued";q=10', ratelimit: '"caller";r=0;t=9, "queued";r=0;t=7'
  })
  t.end()
})

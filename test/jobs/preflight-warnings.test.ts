import t from 'tap'
import type { PodSummary } from '#core/target.ts'
import { warningsFor } from '#jobs/preflight-warnings.ts'
import { registryOf } from '#jobs/registry-of.ts'
import { app } from '../support/fake-ports.ts'
import { examplePod } from '../support/recorded-probe.ts'

const image = 'registry.example/toolbox@sha256:1'
const ample: Parameters<typeof warningsFor>[0]['memory'] = { nodeLeftBytes: 8 * 2 ** 30, podLimitBytes: null, unread: null }
const own = { containers: [{ ...app, image: 'registry.example/web:1' }] }
const warn = (pod: Partial<PodSummary>, rest: Partial<Parameters<typeof warningsFor>[0]> = {}) =>
  warningsFor({ pod: examplePod({ ...own, ...pod }), image, isNew: true, memory: ample, ...rest })
const codes = (...args: Parameters<typeof warn>) => warn(...args).map(({ code }) => code)

t.test('a pod that is alone, has pulled from the registry before and has memory is not warned about', async t => {
  t.same(codes({}), [])
})

t.test('a shared process namespace is', async t => {
  t.same(codes({ shareProcessNamespace: true }), ['ISOLATION_SHARED'])
})

t.test('a registry that neither a secret nor an image of the pod speaks for is warned about before a new container', async t => {
  const elsewhere = { containers: [{ ...app, image: 'other.example/web:1' }] }
  t.match(warn(elsewhere), [{ code: 'PULL_SECRETS', message: /from registry\.example .*of which it has none/ }])
  const [warning] = warn({ ...elsewhere, pullSecrets: ['team-secret'] })
  t.match(warning, { code: 'PULL_SECRETS', message: /of which none is named after it/ })
  t.notMatch(warning?.message, /team-secret/, 'names of secrets are nobody\'s business')
  t.same(codes({ ...elsewhere, pullSecrets: ['registry.example-login'] }), [])
  t.same(codes({ ...elsewhere, ephemeral: [{ name: 'ephemera-1', image, running: true, exitReason: null }] }), [])
  t.same(codes(elsewhere, { isNew: false }), [])
})

t.test('little memory is warned about, of the pod and of its node', async t => {
  const left = (memory: Partial<typeof ample>) => warn({}, { memory: { ...ample, ...memory } })
  t.match(left({ podLimitBytes: 32 << 20 }), [{ code: 'MEMORY_HEADROOM', message: /The pod may use 32 MiB in all/ }])
  t.match(left({ nodeLeftBytes: 10 << 20 }), [{ code: 'MEMORY_HEADROOM', message: /leave only 10 MiB/ }])
  t.match(left({ nodeLeftBytes: -5 }), [{ code: 'MEMORY_HEADROOM', message: /leave no memory/ }])
  t.same(left({ podLimitBytes: 256 << 20 }), [])
})

t.test('the registry of an image is read as runtimes do', async t => {
  for (const [image, registry] of Object.entries({
    'ghcr.io/team/toolbox@sha256:1': 'ghcr.io',
    'localhost/toolbox': 'localhost',
    'mirror:5000/toolbox': 'mirror:5000',
    'team/toolbox:1': 'docker.io',
    'busybox:1.37': 'docker.io'
  })) t.equal(registryOf(image), registry, image)
})

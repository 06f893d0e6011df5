import t from 'tap'
import type { NamespaceSummary } from '#core/ports/cluster.ts'
import type { Policy } from '#core/preflight.ts'
import type { PodSummary } from '#core/target.ts'
import { chooseContainer, demandBudget, demandFitting } from '#jobs/preflight-rules.ts'
import { capture, lookup } from '../support/drive.ts'
import { app, exampleNamespace, examplePolicy } from '../support/fake-ports.ts'
import { examplePod } from '../support/recorded-probe.ts'

const annotation = (word: string) => ({ annotations: { 'ephemera.dev/diagnostics': word } })
interface Case {
  pod?: Partial<PodSummary>
  namespace?: Partial<NamespaceSummary>
  policy?: Partial<Policy>
  payload?: boolean
  code: string | null
}

const cases: Record<string, Case> = {
  'a running pod': { code: null },
  'a refused namespace': { policy: { refusedNamespaces: ['shop'] }, code: 'EPH_OWNER_REFUSED' },
  'a pod that is being deleted': { pod: { deleting: true }, code: 'EPH_POD_DELETING' },
  'a namespace that is being deleted': { namespace: { deleting: true }, code: 'EPH_POD_DELETING' },
  'a static pod': { pod: { static: true }, code: 'EPH_POD_STATIC' },
  'a pending pod': { pod: { phase: 'Pending' }, code: 'EPH_POD_NOT_RUNNING' },
  'a finished pod': { pod: { phase: 'Succeeded' }, code: 'EPH_POD_NOT_RUNNING' },
  'a Windows pod': { pod: { os: 'windows' }, code: 'EPH_OS_UNSUPPORTED' },
  'the network of the node': { pod: { hostNetwork: true }, code: 'EPH_HOST_NETWORK' },
  'the network of the node, allowed': { pod: { hostNetwork: true }, policy: { allowHostNetwork: true }, code: null },
  'the processes of the node': { pod: { hostPID: true }, code: 'EPH_HOST_PID' },
  'the processes of the node, allowed': { pod: { hostPID: true }, policy: { allowHostPid: true }, code: null },
  'deny on the pod': { pod: annotation('deny'), code: 'EPH_OWNER_REFUSED' },
  'deny on the namespace': { namespace: annotation('deny'), code: 'EPH_OWNER_REFUSED' },
  'deny on the namespace, all on the pod': { namespace: annotation('deny'), pod: annotation('all'), code: 'EPH_OWNER_REFUSED' },
  'all on both': { namespace: annotation('all'), pod: annotation('all'), code: null },
  'noPayload, and none is seen': { pod: annotation('noPayload'), code: null },
  'noPayload, and some may be seen': { pod: annotation('noPayload'), payload: true, code: 'EPH_OWNER_REFUSED' },
  'a word that nobody knows': { pod: annotation('sometimes'), code: 'EPH_OWNER_REFUSED' }
}

for (const [what, { pod, namespace, policy, payload, code }] of Object.entries(cases)) {
  t.test(`${what}: ${code ?? 'fits'}`, t => {
    const ask = () => {
      demandFitting(examplePod(pod), exampleNamespace(namespace), payload ? capture() : lookup(), { ...examplePolicy, ...policy })
    }
    if (code) t.throws(ask, { code, message: /^Cannot look into pod "shop\/web": / })
    else t.doesNotThrow(ask)
    t.end()
  })
}

t.test('the container is the one asked for, the annotated one, or the first', t => {
  const containers = ['first', 'second', 'third'].map(name => ({ ...app, name }))
  const annotated = { annotations: { 'kubectl.kubernetes.io/default-container': 'second' } }
  t.equal(chooseContainer(examplePod({ containers, ...annotated }), 'third'), 'third')
  t.equal(chooseContainer(examplePod({ containers, ...annotated }), undefined), 'second')
  t.equal(chooseContainer(examplePod({ containers }), undefined), 'first')
  t.equal(chooseContainer(examplePod({ containers, annotations: { 'kubectl.kubernetes.io/default-container': 'gone' } }), undefined), 'first')
  t.throws(() => chooseContainer(examplePod({ containers }), 'no-such'), {
    code: 'EPH_CONTAINER_UNKNOWN', message: /"first", "second", "third"/
  })
  t.end()
})

t.test('only containers of ours count against the budget', t => {
  const ours = (digit: string) => ({ name: `ephemera-${digit.repeat(32)}`, image: 'x', running: false, exitReason: 'Completed' })
  const ephemeral = [ours('a'), ours('b'), { ...ours('c'), name: 'ephemera-like' }]
  t.doesNotThrow(() => demandBudget(examplePod({ ephemeral }), { ...examplePolicy, budget: 3 }))
  t.throws(() => demandBudget(examplePod({ ephemeral }), { ...examplePolicy, budget: 2 }), { code: 'EPH_BUDGET_EXHAUSTED', message: /2 of 2/ })
  t.end()
})

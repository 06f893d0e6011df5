import type {
  V1MutatingWebhookConfiguration, V1ValidatingAdmissionPolicy, V1ValidatingAdmissionPolicyBinding, V1ValidatingWebhookConfiguration
} from '@kubernetes/client-node'
import type { AdmissionPolicy } from '#core/ports/cluster.ts'

interface Rule { apiGroups?: string[], resources?: string[] }

/** What we do to pods: injecting and executing. `*` means every resource, but no subresource. */
const resources = new Set(['pods', '*', '*/*', 'pods/*', 'pods/ephemeralcontainers', '*/ephemeralcontainers', 'pods/exec', '*/exec'])
const groups = new Set(['', '*'])

const touchesPods = (rules: Rule[] | undefined): boolean => rules?.some(rule =>
  rule.apiGroups?.some(group => groups.has(group)) && rule.resources?.some(resource => resources.has(resource))) ?? false

/** Pure. Without any rules a policy matches nothing. */
export function policiesForPods (
  policies: V1ValidatingAdmissionPolicy[], bindings: V1ValidatingAdmissionPolicyBinding[]
): AdmissionPolicy[] {
  return policies.filter(({ spec }) => touchesPods(spec?.matchConstraints?.resourceRules)).map(({ metadata }) => {
    const name = metadata?.name ?? ''
    const bound = bindings.filter(({ spec }) => spec?.policyName === name).map(({ metadata }) => metadata?.name ?? '')
    return { kind: 'ValidatingAdmissionPolicy', name, bindings: bound }
  })
}

/** Pure. */
export function webhooksForPods (
  kind: 'ValidatingWebhookConfiguration' | 'MutatingWebhookConfiguration',
  configurations: (V1ValidatingWebhookConfiguration | V1MutatingWebhookConfiguration)[]
): AdmissionPolicy[] {
  return configurations.filter(({ webhooks }) => webhooks?.some(({ rules }) => touchesPods(rules)))
    .map(({ metadata }) => ({ kind, name: metadata?.name ?? '', bindings: [] }))
}

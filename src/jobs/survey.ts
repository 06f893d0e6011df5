import { profileNames } from '#core/profile.ts'
import { right, type Principal, type Right } from '#core/principal.ts'
import { asProblem } from '#core/errors.ts'
import type { NamespaceSummary } from '#core/ports/cluster.ts'
import type { PodSummary } from '#core/target.ts'
import { audited } from './audit.ts'
import type { Context } from './context.ts'
import { demandBudget, demandFitting, ourContainers } from './preflight-rules.ts'
import type { TargetPod, UseCases } from './use-cases.ts'
import { filterAsync } from './filter-async.ts'

const rightsShown = [
  ['create', 'jobs'], ['create', 'captures'], ['get', 'jobs'], ['list', 'jobs'], ['watch', 'jobs'], ['update', 'jobs'], ['get', 'payloads'],
  ['delete', 'sessions']
] as const

/** What there is to look into, and what the caller may do there. */
export function createSurvey (context: Context): Pick<UseCases, 'namespaces' | 'targets' | 'whoami' | 'diagnostics'> {
  const { authority, reader, catalogue, policy, database } = context
  const listPods = (namespace: string): Right => ({ group: '', resource: 'pods', verb: 'list', namespace })

  return {
    async namespaces (caller) {
      const all = (await reader.namespaces()).filter(({ name }) => !policy.refusedNamespaces.includes(name))
      const rights = new Map<string, { launch: boolean, captures: boolean }>()
      await filterAsync(all, async ({ name }) => {
        const [launch, captures] = await Promise.all([
          authority.may(caller, right('create', 'jobs', name)), authority.may(caller, right('create', 'captures', name))
        ])
        rights.set(name, { launch, captures })
        return true
      })
      return all.flatMap(({ name }) => {
        const may = rights.get(name)
        return may && (may.launch || may.captures) ? [{ name, ...may }] : []
      })
    },

    targets: (caller, { namespace, labelSelector, q }) =>
      audited(context, { action: 'list-targets', caller, namespace, object: `pods of ${namespace}` }, async () => {
        await authority.demand(caller, listPods(namespace))
        const [summary, pods] = await Promise.all([reader.namespace(namespace), reader.pods(namespace, labelSelector)])
        return pods.filter(({ name }) => q === null || name.includes(q)).map(pod => describePod(pod, summary))
      }),

    async whoami (caller, namespace) {
      const rights = await Promise.all(rightsShown.map(async ([verb, resource]) => ({
        right: `${verb} ${resource}`, allowed: await authority.may(caller, right(verb, resource, namespace ?? ''))
      })))
      const queued = await database.jobs.countQueued(caller.username)
      const { quotas } = policy
      return { identity: caller, rights, quotas: { ...quotas, queuedPodsLeft: Math.max(0, quotas.queuedPods - queued) } }
    },

    diagnostics: (caller: Principal, namespace) => Promise.all([...catalogue.values()].map(async diagnostic => ({
      diagnostic,
      allowed: namespace === null ? null : await authority.may(caller, right('create', diagnostic.right, namespace))
    })))
  }

  function describePod (pod: PodSummary, namespace: NamespaceSummary | null): TargetPod {
    const ours = ourContainers(pod).length
    let refusal: string | null = null
    try {
      const [anyDiagnostic] = catalogue.values()
      if (anyDiagnostic && namespace) demandFitting(pod, namespace, anyDiagnostic, policy)
      if (!ourContainers(pod).some(({ running }) => running)) demandBudget(pod, policy)
    } catch (error) {
      refusal = asProblem(error).code
    }
    return { pod, profiles: refusal ? [] : profilesFor(namespace), refusal, ours, budgetLeft: Math.max(0, policy.budget - ours) }
  }
}

/** What the namespace's PodSecurity level lets through, as its labels say; a launch asks the API server itself. */
function profilesFor (namespace: NamespaceSummary | null): string[] {
  const level = namespace?.labels['pod-security.kubernetes.io/enforce'] ?? 'privileged'
  if (level === 'restricted') return ['restricted']
  return profileNames.filter(profile => level !== 'baseline' || profile !== 'netraw')
}

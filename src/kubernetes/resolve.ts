import type { V1Pod } from '@kubernetes/client-node'
import { Problem } from '#core/errors.ts'
import type { ResolvedTarget } from '#core/ports/cluster.ts'
import { checkTarget, type Target } from '#core/target.ts'
import { absentAs } from './absent.ts'
import type { Api } from './api.ts'
import { choosePods } from './choose.ts'
import { checkNamespace, checkObject } from './names.ts'
import { allPages } from './paging.ts'
import { summarizePod } from './pod-summary.ts'
import { servicePods } from './service-pods.ts'
import { workloadPods } from './workload-pods.ts'

const defaultMaxPods = 3

/** The pods of a target, chosen. Rejects with EPH_NAMESPACE_UNKNOWN, EPH_TARGET_UNKNOWN or EPH_TARGET_EMPTY. */
export async function resolveTarget (api: Api, target: Target, signal?: AbortSignal): Promise<ResolvedTarget> {
  checkTarget(target)
  checkNamespace(target.namespace)
  const name = nameOf(target)
  const pods = await absentAs(null, matching(api, target, signal))
  if (pods === null || pods.length === 0) await demandNamespace(api, target.namespace, signal)
  if (pods === null) throw new Problem('EPH_TARGET_UNKNOWN', `Cannot find ${name} in namespace "${target.namespace}": it does not exist`)
  if (pods.length === 0) throw new Problem('EPH_TARGET_EMPTY', `Cannot choose pods of ${name} in namespace "${target.namespace}": it has none`)
  const choice = choosePods(pods.map(summarizePod), target.maxPods ?? defaultMaxPods)
  return target.pod === undefined ? choice : { ...choice, rule: 'the named pod' }
}

function nameOf ({ pod, workload, service, labelSelector }: Target): string {
  if (pod !== undefined) return `pod "${checkObject(pod)}"`
  if (workload !== undefined) return `${workload.kind} "${checkObject(workload.name)}"`
  if (service !== undefined) return `Service "${checkObject(service)}"`
  return `selector "${labelSelector}"`
}

async function matching (api: Api, target: Target, signal?: AbortSignal): Promise<V1Pod[]> {
  const { namespace, pod, workload, service, labelSelector } = target
  if (pod !== undefined) {
    return [await api.call(`read pod "${namespace}/${pod}"`,
      options => api.core.readNamespacedPod({ namespace, name: pod }, options), { signal })]
  }
  if (workload !== undefined) return workloadPods(api, namespace, workload, signal)
  if (service !== undefined) return servicePods(api, namespace, service, signal)
  return listPods(api, namespace, labelSelector ?? null, signal)
}

export function listPods (api: Api, namespace: string, labelSelector: string | null, signal?: AbortSignal): Promise<V1Pod[]> {
  const selected = labelSelector === null ? {} : { labelSelector }
  return allPages(page => api.call(`list the pods of namespace "${namespace}"`,
    options => api.core.listNamespacedPod({ namespace, ...selected, ...page }, options), { signal }))
}

// Lists of a namespace that does not exist are empty, not refused.
async function demandNamespace (api: Api, name: string, signal?: AbortSignal): Promise<void> {
  const namespace = await absentAs(null, api.call(`read namespace "${name}"`,
    options => api.core.readNamespace({ name }, options), { signal }))
  if (namespace === null) throw new Problem('EPH_NAMESPACE_UNKNOWN', `Cannot find namespace "${name}": it does not exist`)
}

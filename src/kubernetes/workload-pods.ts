import type { V1LabelSelector, V1ObjectMeta, V1Pod } from '@kubernetes/client-node'
import { Problem } from '#core/errors.ts'
import type { workloadKinds } from '#core/target.ts'
import type { Api } from './api.ts'
import { allPages } from './paging.ts'
import { selectorText } from './selector.ts'

type Kind = typeof workloadKinds[number]
interface Workload { metadata?: V1ObjectMeta, spec?: { selector?: V1LabelSelector } }

const ownedBy = (uids: ReadonlySet<string>) => ({ metadata }: { metadata?: V1ObjectMeta }): boolean =>
  metadata?.ownerReferences?.some(({ uid, controller }) => controller && uids.has(uid)) ?? false

/**
 * Pods of a workload: by its selector AND by owner, because a selector alone also fits pods of others. Rejects with EPH_NOT_FOUND where the
 * workload is not there.
 */
export async function workloadPods (
  api: Api, namespace: string, { kind, name }: { kind: Kind, name: string }, signal?: AbortSignal
): Promise<V1Pod[]> {
  const doing = `read ${kind} "${namespace}/${name}"`
  const workload = await readWorkload(api, doing, namespace, kind, name, signal)
  const labelSelector = selectorText(workload.spec?.selector)
  if (labelSelector === null) throw new Problem('EPH_TARGET_EMPTY', `Cannot choose pods of ${kind} "${name}": it has no selector`)
  let owners = new Set([workload.metadata?.uid ?? ''])
  if (kind === 'Deployment') {
    const sets = await allPages(page => api.call(`list the ReplicaSets of ${kind} "${namespace}/${name}"`,
      options => api.apps.listNamespacedReplicaSet({ namespace, labelSelector, ...page }, options), { signal }))
    owners = new Set(sets.filter(ownedBy(owners)).map(({ metadata }) => metadata?.uid ?? ''))
  }
  const pods = await allPages(page => api.call(`list the pods of ${kind} "${namespace}/${name}"`,
    options => api.core.listNamespacedPod({ namespace, labelSelector, ...page }, options), { signal }))
  return pods.filter(ownedBy(owners))
}

function readWorkload (api: Api, doing: string, namespace: string, kind: Kind, name: string, signal?: AbortSignal): Promise<Workload> {
  const object = { namespace, name }
  return api.call<Workload>(doing, options => {
    switch (kind) {
      case 'Deployment': return api.apps.readNamespacedDeployment(object, options)
      case 'StatefulSet': return api.apps.readNamespacedStatefulSet(object, options)
      case 'DaemonSet': return api.apps.readNamespacedDaemonSet(object, options)
      case 'ReplicaSet': return api.apps.readNamespacedReplicaSet(object, options)
      case 'Job': return api.batch.readNamespacedJob(object, options)
    }
  }, { signal })
}

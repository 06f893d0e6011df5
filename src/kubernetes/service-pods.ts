import type { V1Pod } from '@kubernetes/client-node'
import { checkObject } from './names.ts'
import type { Api } from './api.ts'
import { allPages } from './paging.ts'
import { readPod } from './read-pod.ts'
import { selectorText } from './selector.ts'

/**
 * Pods behind a Service: by its selector, else (a Service whose endpoints others keep) by the pods its EndpointSlices refer to. Rejects
 * with EPH_NOT_FOUND where the Service is not there.
 */
export async function servicePods (api: Api, namespace: string, name: string, signal?: AbortSignal): Promise<V1Pod[]> {
  const service = await api.call(`read Service "${namespace}/${name}"`,
    options => api.core.readNamespacedService({ namespace, name }, options), { signal })
  const matchLabels = service.spec?.selector
  if (matchLabels && Object.keys(matchLabels).length > 0) {
    const labelSelector = selectorText({ matchLabels })!
    return allPages(page => api.call(`list the pods of Service "${namespace}/${name}"`,
      options => api.core.listNamespacedPod({ namespace, labelSelector, ...page }, options), { signal }))
  }
  const labelSelector = `kubernetes.io/service-name=${name}`
  const slices = await allPages(page => api.call(`list the EndpointSlices of Service "${namespace}/${name}"`,
    options => api.discovery.listNamespacedEndpointSlice({ namespace, labelSelector, ...page }, options), { signal }))
  // Whoever keeps the slices may refer to pods of other namespaces, for which nobody has been authorised.
  const names = new Set(slices.flatMap(({ endpoints }) => endpoints ?? []).flatMap(({ targetRef }) =>
    targetRef?.kind === 'Pod' && targetRef.name && (targetRef.namespace ?? namespace) === namespace ? checkObject(targetRef.name) : []))
  const pods = await Promise.all([...names].slice(0, 200).map(name => readPod(api, namespace, name, signal)))
  return pods.filter(pod => pod !== null)
}

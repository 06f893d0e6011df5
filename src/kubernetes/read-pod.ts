import type { V1Pod } from '@kubernetes/client-node'
import { absentAs } from './absent.ts'
import type { Api } from './api.ts'
import { checkNamespace, checkObject } from './names.ts'

/** A pod as the API server has it now; null where there is none of this name. */
export async function readPod (api: Api, namespace: string, name: string, signal?: AbortSignal): Promise<V1Pod | null> {
  const pod = { namespace: checkNamespace(namespace), name: checkObject(name) }
  return absentAs(null, api.call(`read pod "${namespace}/${name}"`, options => api.core.readNamespacedPod(pod, options), { signal }))
}

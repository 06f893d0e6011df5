import type { V1Namespace } from '@kubernetes/client-node'
import type { ClusterReader, NamespaceSummary } from '#core/ports/cluster.ts'
import { absentAs } from './absent.ts'
import type { Api } from './api.ts'
import { checkNamespace } from './names.ts'
import { createObjectReader } from './object-reader.ts'
import { allPages } from './paging.ts'
import { summarizePod } from './pod-summary.ts'
import { readPod } from './read-pod.ts'
import { listPods, resolveTarget } from './resolve.ts'
import { createSurveyReader } from './survey-reader.ts'
import { createZones } from './zones.ts'

export function createReader (api: Api): ClusterReader {
  const zones = createZones(api)
  return {
    ...createObjectReader(api),
    ...createSurveyReader(api),

    async info (signal) {
      const [{ gitVersion }, { resources }] = await Promise.all([
        api.call('read the version of the cluster', options => api.version.getCode({}, options), { signal }),
        api.call('read what the cluster offers', options => api.core.getAPIResources({}, options), { signal })
      ])
      // Before 1.22 the subresource, where it was switched on, was an object of another kind that took no patch of a pod.
      const ephemeralContainers = resources.some(({ name, kind, verbs }) =>
        name === 'pods/ephemeralcontainers' && kind === 'Pod' && verbs.includes('patch'))
      return { version: gitVersion, ephemeralContainers }
    },

    async namespace (name, signal) {
      checkNamespace(name)
      const namespace = await absentAs(null, api.call(`read namespace "${name}"`, options => api.core.readNamespace({ name }, options), { signal }))
      return namespace && summarizeNamespace(namespace)
    },

    async namespaces (signal) {
      const namespaces = await allPages(page => api.call('list namespaces', options => api.core.listNamespace(page, options), { signal }))
      return namespaces.map(summarizeNamespace)
    },

    async pod (namespace, name, signal) {
      const pod = await readPod(api, namespace, name, signal)
      return pod && zones.fill(summarizePod(pod))
    },

    async pods (namespace, labelSelector, signal) {
      checkNamespace(namespace)
      return (await listPods(api, namespace, labelSelector, signal)).map(summarizePod)
    },

    async resolve (target, signal) {
      const resolved = await resolveTarget(api, target, signal)
      return { ...resolved, pods: await Promise.all(resolved.pods.map(pod => zones.fill(pod))) }
    }
  }
}

const summarizeNamespace = ({ metadata, status }: V1Namespace): NamespaceSummary => ({
  name: metadata?.name ?? '',
  labels: metadata?.labels ?? {},
  annotations: metadata?.annotations ?? {},
  deleting: metadata?.deletionTimestamp !== undefined || status?.phase === 'Terminating'
})

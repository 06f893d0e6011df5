import { isIP } from 'node:net'
import { Problem } from '#core/errors.ts'
import type { ClusterReader } from '#core/ports/cluster.ts'
import { absentAs } from './absent.ts'
import type { Api } from './api.ts'
import { checkNamespace, checkObject } from './names.ts'
import { summarizeEndpoints, summarizePolicy, summarizeService } from './object-summaries.ts'
import { allPages } from './paging.ts'
import { summarizePod } from './pod-summary.ts'

/** What diagnostics read of the API server beside pods. Who asks for it has been authorised before. */
export function createObjectReader (api: Api): Pick<ClusterReader, 'service' | 'endpoints' | 'networkPolicies' | 'owners'> {
  return {
    async service (namespace, name, signal) {
      const object = { namespace: checkNamespace(namespace), name: checkObject(name) }
      const service = await absentAs(null, api.call(`read Service "${namespace}/${name}"`,
        options => api.core.readNamespacedService(object, options), { signal }))
      return service && summarizeService(service)
    },

    async endpoints (namespace, service, signal) {
      const selected = { namespace: checkNamespace(namespace), labelSelector: `kubernetes.io/service-name=${checkObject(service)}` }
      const slices = await allPages(page => api.call(`list the EndpointSlices of Service "${namespace}/${service}"`,
        options => api.discovery.listNamespacedEndpointSlice({ ...selected, ...page }, options), { signal }))
      return slices.flatMap(summarizeEndpoints)
    },

    async networkPolicies (namespace, signal) {
      checkNamespace(namespace)
      const policies = await allPages(page => api.call(`list the NetworkPolicies of namespace "${namespace}"`,
        options => api.networking.listNamespacedNetworkPolicy({ namespace, ...page }, options), { signal }))
      return policies.map(summarizePolicy)
    },

    // Of an object with addresses of both families these fields hold the first one only. Resource version 0: the API server's own cache
    // will do, however large the cluster.
    async owners (ip, namespace, signal) {
      if (isIP(ip) === 0) throw new Problem('EPH_INVALID_REQUEST', `Cannot look for ${JSON.stringify(ip.slice(0, 80))}: it is no address`)
      if (namespace !== null) checkNamespace(namespace)
      const pods = { fieldSelector: `status.podIP=${ip}`, resourceVersion: '0' }
      const services = { fieldSelector: `spec.clusterIP=${ip}`, resourceVersion: '0' }
      const [podList, serviceList] = await Promise.all([
        api.call(`look for the pod of ${ip}`, options => namespace === null
          ? api.core.listPodForAllNamespaces(pods, options)
          : api.core.listNamespacedPod({ namespace, ...pods }, options), { signal }),
        api.call(`look for the Service of ${ip}`, options => namespace === null
          ? api.core.listServiceForAllNamespaces(services, options)
          : api.core.listNamespacedService({ namespace, ...services }, options), { signal })
      ])
      return { pods: podList.items.map(summarizePod), services: serviceList.items.map(summarizeService) }
    }
  }
}

import type { V1Pod } from '@kubernetes/client-node'
import { Problem } from '#core/errors.ts'
import type { ClusterReader } from '#core/ports/cluster.ts'
import { absentAs } from './absent.ts'
import { policiesForPods, webhooksForPods } from './admission-policies.ts'
import type { Api } from './api.ts'
import { knownDaemonSets, recognizeNetworks } from './known-networks.ts'
import { checkObject } from './names.ts'
import { parseQuantity } from './quantity.ts'

/** One page of each is enough: nobody has more of them. */
const most = 200
/** Nodes of a cluster share their network: a few tell it. */
const someNodes = 5

/** A part that may be kept from us: `instead`, with the reason in words. An API that the cluster does not have yet is empty. */
async function orUnread<T> (instead: T, unread: string[], reading: Promise<T>): Promise<T> {
  try {
    return await absentAs(instead, reading)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    unread.push(error.message)
    return instead
  }
}

export function createSurveyReader (api: Api): Pick<ClusterReader, 'admission' | 'network' | 'nodeMemory'> {
  const daemonSet = (name: string, unread: string[], signal?: AbortSignal): Promise<string[]> => orUnread([], unread, api.call(
    'look for the DaemonSets of known networks', options => api.apps.readNamespacedDaemonSet({ namespace: 'kube-system', name }, options), { signal }
  ).then(() => [name]))

  return {
    async admission (signal) {
      const unread: string[] = []
      const list = <T>(what: string, page: Parameters<typeof api.call<{ items: T[] }>>[1]): Promise<T[]> =>
        orUnread([], unread, api.call(`list ${what}`, page, { signal }).then(({ items }) => items))
      const [policies, bindings, validating, mutating] = await Promise.all([
        list('ValidatingAdmissionPolicies', options => api.admission.listValidatingAdmissionPolicy({ limit: most }, options)),
        list('ValidatingAdmissionPolicyBindings', options => api.admission.listValidatingAdmissionPolicyBinding({ limit: most }, options)),
        list('ValidatingWebhookConfigurations', options => api.admission.listValidatingWebhookConfiguration({ limit: most }, options)),
        list('MutatingWebhookConfigurations', options => api.admission.listMutatingWebhookConfiguration({ limit: most }, options))
      ])
      return {
        policies: [
          ...policiesForPods(policies, bindings),
          ...webhooksForPods('ValidatingWebhookConfiguration', validating),
          ...webhooksForPods('MutatingWebhookConfiguration', mutating)
        ],
        unread
      }
    },

    async network (signal) {
      const unread: string[] = []
      const [groups, nodes] = await Promise.all([
        orUnread([], unread, api.call('read the groups of the API', options => api.groups.getAPIVersions({}, options), { signal })
          .then(({ groups }) => groups.map(({ name }) => name))),
        orUnread([], unread, api.call('list nodes', options => api.core.listNode({ limit: someNodes }, options), { signal })
          .then(({ items }) => items))
      ])
      const seen = recognizeNetworks({ groups, nodes, daemonSets: [] })
      if (seen.names.length > 0) return { ...seen, unread }
      const daemonSets = (await Promise.all(knownDaemonSets.map(name => daemonSet(name, unread, signal)))).flat()
      return { ...recognizeNetworks({ groups, nodes, daemonSets }), unread: [...new Set(unread)] }
    },

    async nodeMemory (name, signal) {
      const node = await absentAs(null, api.call(`read node "${name}"`, options => api.core.readNode({ name: checkObject(name) }, options), { signal }))
      if (node === null) return null
      const fieldSelector = `spec.nodeName=${checkObject(name)},status.phase!=Succeeded,status.phase!=Failed`
      const { items } = await api.call(`list the pods of node "${name}"`,
        options => api.core.listPodForAllNamespaces({ fieldSelector, resourceVersion: '0' }, options), { signal })
      return {
        allocatableBytes: parseQuantity(node.status?.allocatable?.memory) ?? 0,
        requestedBytes: items.reduce((sum, pod) => sum + requestedBytes(pod), 0)
      }
    }
  }
}

/** What the scheduler counts for a pod: its containers and those init containers that stay, or more if starting takes more. Pure. */
export function requestedBytes ({ spec }: V1Pod): number {
  const whole = parseQuantity(spec?.resources?.requests?.memory)
  const overhead = parseQuantity(spec?.overhead?.memory) ?? 0
  if (whole !== null) return whole + overhead
  let staying = 0
  let starting = 0
  for (const { restartPolicy, resources } of spec?.initContainers ?? []) {
    const bytes = parseQuantity(resources?.requests?.memory) ?? 0
    if (restartPolicy === 'Always') staying += bytes
    starting = Math.max(starting, restartPolicy === 'Always' ? staying : staying + bytes)
  }
  const running = spec?.containers.reduce((sum, { resources }) => sum + (parseQuantity(resources?.requests?.memory) ?? 0), staying) ?? 0
  return Math.max(running, starting) + overhead
}

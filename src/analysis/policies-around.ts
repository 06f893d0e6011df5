import { Type, type Static } from 'typebox'
import { NamedObject } from '#core/address.ts'
import { Problem } from '#core/errors.ts'
import type { ObjectReader } from '#core/probe.ts'
import type { PodSummary } from '#core/target.ts'
import { selects } from './policy-selects.ts'

export const PoliciesAround = Type.Object({
  selecting: Type.Array(Type.Object({
    namespace: Type.String({ description: 'Namespace of the policy and of the pod' }),
    name: Type.String({ description: 'Name of the policy' }),
    direction: Type.Enum(['egress', 'ingress'], { description: 'egress: of what the pod sends; ingress: of what reaches it' }),
    pod: Type.String({ description: 'The pod that it selects' })
  }), { description: 'NetworkPolicies that select the pod for what it sends, or a pod it connects to for what reaches that' }),
  unread: Type.Array(Type.String(), { description: 'Namespaces whose policies or pods the caller, or our account, may not read' }),
  peers: Type.Array(NamedObject, { description: 'Pods it connects to, as far as they are known' })
}, { description: 'Policies that may have a part in it; whether they allow the connection is not judged' })
export type PoliciesAround = Static<typeof PoliciesAround>

type Selected = Pick<PodSummary, 'namespace' | 'name' | 'labels'>

/** NetworkPolicies that select either side, from namespaces in which the caller may list them. */
export async function findPolicies (objects: ObjectReader, pod: PodSummary, peers: NamedObject[]): Promise<PoliciesAround> {
  const selecting: PoliciesAround['selecting'] = []
  const unread = new Set<string>()

  async function add ({ namespace, name, labels }: Selected, direction: 'egress' | 'ingress'): Promise<void> {
    const policies = (await objects.networkPolicies(namespace)).filter(policy => policy[direction] && selects(policy.podSelector, labels))
    selecting.push(...policies.map(policy => ({ namespace, name: policy.name, direction, pod: name })))
  }

  const addPeer = async ({ namespace, name }: NamedObject): Promise<void> => {
    const peer = await objects.pod(namespace, name)
    if (peer) await add(peer, 'ingress')
  }

  await readable(pod.namespace, () => add(pod, 'egress'), unread)
  for (const peer of peers) await readable(peer.namespace, () => addPeer(peer), unread)
  return { selecting, unread: [...unread], peers }
}

/** What may not be read is told, and no reason to lose what was measured. */
async function readable (namespace: string, read: () => Promise<void>, unread: Set<string>): Promise<void> {
  try {
    await read()
  } catch (error) {
    if (!(error instanceof Problem && ['EPH_FORBIDDEN', 'EPH_ACCOUNT_FORBIDDEN'].includes(error.code))) throw error
    unread.add(namespace)
  }
}

import { Problem } from '#core/errors.ts'
import type { PodSummary } from '#core/target.ts'
import { absentAs } from './absent.ts'
import type { Api } from './api.ts'
import { checkObject } from './names.ts'

const zoneLabel = 'topology.kubernetes.io/zone'
const lifeMs = 300_000

/** The zone of a pod is its node's. Nodes are remembered for 5 minutes; reading them is an optional right: without it zones are null. */
export function createZones (api: Api) {
  const known = new Map<string, { zone: Promise<string | null>, since: number }>()

  async function read (name: string): Promise<string | null> {
    try {
      const node = await absentAs(null, api.call(`read node "${name}"`, options => api.core.readNode({ name: checkObject(name) }, options)))
      return node?.metadata?.labels?.[zoneLabel] ?? null
    } catch (error) {
      if (error instanceof Problem && error.code === 'EPH_ACCOUNT_FORBIDDEN') return null
      known.delete(name)
      throw error
    }
  }

  return {
    async fill (pod: PodSummary): Promise<PodSummary> {
      if (pod.zone !== null || pod.node === null) return pod
      let entry = known.get(pod.node)
      if (!entry || performance.now() - entry.since > lifeMs) {
        if (known.size > 10_000) known.clear()
        entry = { zone: read(pod.node), since: performance.now() }
        known.set(pod.node, entry)
      }
      return { ...pod, zone: await entry.zone }
    }
  }
}

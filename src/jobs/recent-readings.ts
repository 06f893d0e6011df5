import { perObject } from '#core/per-object.ts'
import type { ClusterReader, NamespaceSummary } from '#core/ports/cluster.ts'
import { shareCalls } from '#core/share-calls.ts'
import type { PodSummary, Target } from '#core/target.ts'
import { createRecent } from './recent.ts'
import { readAim, type Aim } from './read-aim.ts'

/** What was asked at the launch need not be asked again by a dispatch that follows at once. */
const maxAgeMs = 250

export interface Reading { pod: PodSummary | null, namespace: NamespaceSummary | null }

/** Launches that come close together read their namespace once. */
const namespaceMs = 100

/** Launches on one target that come in a flood share so many readings of it at the most. */
const aimEveryMs = 20

/** Readings of the cluster, not older than 250 ms; shared by all that read it in this process, hence without a signal. */
export const recentReadings = perObject((reader: ClusterReader) => {
  const pods = createRecent<Reading>(maxAgeMs)
  const namespaces = createRecent<NamespaceSummary | null>(namespaceMs)
  const shareAims = shareCalls<Aim>(aimEveryMs)
  const readNamespace = (name: string) => namespaces.of(name, () => reader.namespace(name))

  const readPod = async (namespace: string, name: string): Promise<Reading> => {
    const [pod, summary] = await Promise.all([reader.pod(namespace, name), reader.namespace(namespace)])
    return { pod, namespace: summary }
  }

  return {
    /** A pod with its namespace. */
    of: (namespace: string, name: string): Promise<Reading> => pods.of(`${namespace}/${name}`, () => readPod(namespace, name)),
    /** What a target means now; kept for the dispatches that follow. */
    async aim (target: Target): Promise<Aim> {
      const aim = await shareAims(JSON.stringify(target), () => readAim(reader, target, readNamespace))
      for (const pod of aim.resolved.pods) pods.remember(`${pod.namespace}/${pod.name}`, { pod, namespace: aim.namespace })
      return aim
    }
  }
})

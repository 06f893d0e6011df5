import type { ClusterReader, NamespaceSummary } from '#core/ports/cluster.ts'
import type { PodSummary } from '#core/target.ts'

/** What was asked at the launch need not be asked again by a dispatch that follows at once. */
const maxAgeMs = 250

export interface Reading { pod: PodSummary | null, namespace: NamespaceSummary | null }

const shared = new WeakMap<ClusterReader, ReturnType<typeof createReadings>>()

/** Readings of a pod with its namespace, not older than 250 ms; shared by all that read a cluster in this process. */
export function recentReadings (reader: ClusterReader) {
  let readings = shared.get(reader)
  if (!readings) shared.set(reader, readings = createReadings(reader))
  return readings
}

function createReadings (reader: ClusterReader) {
  const known = new Map<string, { reading: Promise<Reading>, at: number }>()

  function keep (key: string, reading: Promise<Reading>): Promise<Reading> {
    known.delete(key)
    known.set(key, { reading, at: performance.now() })
    reading.catch(() => { known.delete(key) })
    // The oldest come first.
    for (const [other, { at }] of known) {
      if (performance.now() - at <= maxAgeMs) break
      known.delete(other)
    }
    return reading
  }

  const read = async (namespace: string, name: string): Promise<Reading> => {
    const [pod, summary] = await Promise.all([reader.pod(namespace, name), reader.namespace(namespace)])
    return { pod, namespace: summary }
  }

  return {
    /** Keeps what has just been read. */
    remember (pod: PodSummary, namespace: NamespaceSummary): void {
      keep(`${pod.namespace}/${pod.name}`, Promise.resolve({ pod, namespace }))
    },
    /** A reading, perhaps one that is under way for somebody else: it has no signal. */
    of (namespace: string, name: string): Promise<Reading> {
      const key = `${namespace}/${name}`
      const recent = known.get(key)
      return recent && performance.now() - recent.at <= maxAgeMs ? recent.reading : keep(key, read(namespace, name))
    }
  }
}

import type { PodSummary } from '#core/target.ts'

export interface Choice { matched: number, pods: PodSummary[], rule: string }

const isFinished = ({ phase }: PodSummary) => phase === 'Succeeded' || phase === 'Failed'

/** Ready, then running, then what may still become so, then what goes away. */
function rank (pod: PodSummary): number {
  if (pod.deleting) return 3
  if (pod.ready) return 0
  return pod.phase === 'Running' ? 1 : 2
}

/**
 * At most `max` of the pods: ready ones first, spread over nodes and revisions. Pure, and the same for the same pods. Finished pods count
 * only where there is nothing else: evicted ones stay behind by the dozen.
 */
export function choosePods (pods: PodSummary[], max: number): Choice {
  const alive = pods.filter(pod => !isFinished(pod))
  const candidates = (alive.length > 0 ? alive : pods).toSorted((a, b) => a.name < b.name ? -1 : 1)
  const chosen: PodSummary[] = []
  const left = new Set(candidates)
  const nodes = new Map<string | null, number>()
  const revisions = new Map<string | null, number>()
  while (chosen.length < max && left.size > 0) {
    const next = [...left].reduce((best, pod) => compare(pod, best, nodes, revisions) < 0 ? pod : best)
    left.delete(next)
    chosen.push(next)
    nodes.set(next.node, (nodes.get(next.node) ?? 0) + 1)
    revisions.set(next.revision, (revisions.get(next.revision) ?? 0) + 1)
  }
  const rule = chosen.length === candidates.length
    ? `all ${candidates.length} pods`
    : `${chosen.length} of ${candidates.length} pods: ready ones first, spread over nodes, then revisions, then by name`
  return { matched: candidates.length, pods: chosen, rule: candidates.length === 1 ? 'the only pod' : rule }
}

function compare (a: PodSummary, b: PodSummary, nodes: Map<string | null, number>, revisions: Map<string | null, number>): number {
  return rank(a) - rank(b) ||
    (nodes.get(a.node) ?? 0) - (nodes.get(b.node) ?? 0) ||
    (revisions.get(a.revision) ?? 0) - (revisions.get(b.revision) ?? 0)
}

import type { FindingDefinition } from './diagnostic.ts'
import type { Finding, Verdict } from './finding.ts'

/** Where a pod runs and of what; what pods that fail can have in common. */
export interface PodPlace { node: string | null, zone: string | null, revision: string | null }

interface EndedPod extends Partial<PodPlace> { pod: string, verdict: Verdict | null }

export const disagreement = 'PODS_DISAGREE'

/** Findings that no diagnostic has: they compare the pods of a job. They are info, as the verdict follows from the pods alone. */
export const jobFindings: Record<string, FindingDefinition> = {
  [disagreement]: {
    severity: 'info',
    title: 'Pods of one target disagree',
    meaning: 'The same measurement fails in some pods and not in others, so what is asked for exists and can answer: the cause lies on the side of ' +
      'the pods that fail. `data.by` says what those pods share and no other has: node, zone or revision, with its `value`; none where there is no ' +
      'such thing. `failing` of `of` pods fail; pods without a clear answer are not counted',
    remedy: 'Compare a pod that fails with one that does not: for node its network and its DNS cache, for zone the routes and firewalls between ' +
      'zones, for revision what the last rollout changed; for none the pod itself'
  }
}

const kinds = ['node', 'zone', 'revision'] as const

/** The value that all failing pods have and no other pod has; null where there is none. */
function sharedBy (kind: keyof PodPlace, failing: EndedPod[], others: EndedPod[]): string | null {
  const value = failing[0]?.[kind] ?? null
  if (value === null || failing.some(pod => pod[kind] !== value) || others.some(pod => pod[kind] === value)) return null
  return value
}

/** Compares the pods of a job that has ended; null where all that were measured agree. Pure. */
export function comparePods (diagnostic: string, pods: EndedPod[]): Finding | null {
  const failing = pods.filter(({ verdict }) => verdict === 'fail')
  // Who was not measured, or came to no conclusion, may be of either side.
  const others = pods.filter(({ verdict }) => verdict === 'pass' || verdict === 'warn')
  if (failing.length === 0 || others.length === 0) return null
  // A pod may be alone on its node and the only one of its revision: the first decides, the message says all.
  const shared = kinds.flatMap(by => {
    const value = sharedBy(by, failing, others)
    return value === null ? [] : [{ by, value }]
  })
  const of = failing.length + others.length
  const [{ by, value } = { by: 'none', value: null }] = shared
  const cause = shared.map(({ by, value }) => `${by} ${value}`).join(' and ') || 'nothing that tells them from the others'
  return {
    code: disagreement,
    severity: jobFindings[disagreement]!.severity,
    message: `${failing.length} of ${of} pods fail; they share ${cause}`,
    data: { by, value, failing: failing.length, of },
    pods: failing.map(({ pod }) => pod),
    count: new Set(failing.map(({ pod }) => pod)).size,
    diagnostic,
    evidence: [],
    remedy: jobFindings[disagreement]!.remedy
  }
}

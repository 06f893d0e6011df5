import type { V1LabelSelector } from '@kubernetes/client-node'

const operators: Record<string, (key: string, values: string[]) => string> = {
  In: (key, values) => `${key} in (${values.join(',')})`,
  NotIn: (key, values) => `${key} notin (${values.join(',')})`,
  Exists: key => key,
  DoesNotExist: key => `!${key}`
}

/** A selector object in the syntax of queries; null where it selects nothing (absent), as opposed to everything (empty). */
export function selectorText (selector: V1LabelSelector | undefined): string | null {
  if (!selector) return null
  const labels = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  const expressions = selector.matchExpressions?.map(({ key, operator, values }) => {
    const write = operators[operator]
    if (!write) throw new Error(`Cannot read a label selector: the operator "${operator}" is unknown`)
    return write(key, values ?? [])
  }) ?? []
  return [...labels, ...expressions].join(',')
}

import type { LabelSelector } from '#core/objects.ts'

type Labels = Record<string, string>

/** NotIn also fits where the label is missing, as in Kubernetes. An operator that is not known fits nothing. */
const fits: Record<string, (value: string | undefined, values: string[]) => boolean> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: value => value !== undefined,
  DoesNotExist: value => value === undefined
}

/** Whether a selector of an object selects these labels; an empty one selects all. */
export const selects = ({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator, values }) => fits[operator]?.(labels[key], values) ?? false)

/** One thing that is measured again and again, and how much more of it at the end is no growth: a share, and as many beside. */
export interface Series { name: string, unit: string, values: number[], share: number, beside: number }

export interface Judged { name: string, unit: string, first: number, last: number, most: number, grows: boolean }

function median (values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * Compares the second quarter of the time with the last one, by their medians: what a process takes once (its first quarter) is no growth,
 * and neither is a peak. Needs 8 values.
 */
export function judge ({ name, unit, values, share, beside }: Series): Judged {
  if (values.length < 8) throw new Error(`Cannot judge ${name}: ${values.length} values are too few`)
  const quarter = values.length >> 2
  const first = median(values.slice(quarter, 2 * quarter))
  const last = median(values.slice(-quarter))
  return { name, unit, first, last, most: Math.max(...values), grows: last > first * (1 + share) + beside }
}

export function describe (judged: Judged[]): string {
  const line = (cells: string[]) => cells.map((cell, nth) => nth === 0 ? cell.padEnd(44) : cell.padStart(12)).join('')
  const rows = judged.map(({ name, unit, first, last, most, grows }) =>
    line([`${name}${unit === '' ? '' : ` (${unit})`}`, ...[first, last, most].map(value => value.toFixed(0)), grows ? 'grows' : 'ok']))
  return [line(['', 'early', 'late', 'most', '']), ...rows].join('\n')
}

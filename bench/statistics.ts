/** Median of an odd or even number of samples. */
export function median (samples: number[]): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Milliseconds that a piece of work took. */
export async function timed (work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export interface Comparison { name: string, unit: 'ms' | 'MB/s', ours: number[], theirs: number[], limit: number, goal?: number }

/** Ratio of the medians, so that smaller is better for times and larger for rates. */
export const ratioOf = ({ ours, theirs }: Comparison): number => median(ours) / median(theirs)

export function keepsLimit (comparison: Comparison): boolean {
  const ratio = ratioOf(comparison)
  return comparison.unit === 'ms' ? ratio <= comparison.limit : ratio >= comparison.limit
}

const figure = (value: number, unit: string) => `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${unit}`

export function describe (comparison: Comparison): string {
  const { name, unit, ours, theirs, limit, goal } = comparison
  const sign = unit === 'ms' ? '≤' : '≥'
  const verdict = keepsLimit(comparison) ? 'ok' : 'MISSED'
  const wanted = `${sign} ${limit}${goal === undefined ? '' : `, goal ${goal}`}`
  return [
    name.padEnd(44), figure(median(ours), unit).padStart(12), figure(median(theirs), unit).padStart(12),
    `${ratioOf(comparison).toFixed(3)} ×`.padStart(10), `  ${wanted}`.padEnd(20), verdict
  ].join('')
}

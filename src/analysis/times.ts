import { Type, type Static } from 'typebox'
import { OrNull } from '#core/schema.ts'

export const Times = Type.Object({
  minMs: Type.Number({ minimum: 0, description: 'Shortest time, in milliseconds' }),
  avgMs: Type.Number({ minimum: 0, description: 'Mean' }),
  maxMs: Type.Number({ minimum: 0, description: 'Longest time' }),
  jitterMs: Type.Number({ minimum: 0, description: 'Standard deviation, which ping calls mdev' })
}, { description: 'Times of the answers; null: there was none' })
export type Times = Static<typeof Times>

export const TimesOrNull = OrNull(Times)

const round = (ms: number) => Math.round(ms * 1000) / 1000

/** What a series of times in milliseconds comes to; null for an empty one. */
export function summarizeTimes (times: number[]): Times | null {
  if (times.length === 0) return null
  const avg = times.reduce((sum, ms) => sum + ms, 0) / times.length
  const variance = times.reduce((sum, ms) => sum + (ms - avg) ** 2, 0) / times.length
  return { minMs: round(Math.min(...times)), avgMs: round(avg), maxMs: round(Math.max(...times)), jitterMs: round(Math.sqrt(variance)) }
}

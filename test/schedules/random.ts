/** mulberry32: small, well known, and good enough to draw schedules. */
function mulberry32 (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** FNV-1a */
const hashOf = (text: string) => [...text].reduce((hash, letter) => Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193) >>> 0, 0x811c9dc5)

/**
 * Draws by a seed and a name: what one place of a schedule draws does not depend on when the others draw, since the order of I/O is not
 * repeatable.
 */
export function createRandom (seed: number, name: string) {
  const next = mulberry32(seed ^ hashOf(name))
  const random = {
    /** Both ends included. */
    integer: (from: number, to: number): number => from + Math.floor(next() * (to - from + 1)),
    chance: (share: number): boolean => next() < share,
    one: <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)]!,
    /** A name by its weight. */
    weighed <N extends string> (weights: Record<N, number>): N {
      const names = Object.keys(weights) as N[]
      let left = next() * names.reduce((sum, name) => sum + weights[name], 0)
      return names.find(name => (left -= weights[name]) < 0) ?? names[0]!
    }
  }
  return random
}
export type Random = ReturnType<typeof createRandom>

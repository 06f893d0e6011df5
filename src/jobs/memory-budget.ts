const largestWindow = 4 << 20
const smallestWindow = 256 << 10

/**
 * Bytes of streams that this process may hold: one half for windows (what may come unasked), the other for segments under way. What
 * has come is held in any case; who goes beyond waits before more is asked for.
 */
export function createMemoryBudget (totalBytes: number) {
  const half = totalBytes / 2
  let windows = 0
  let held = 0
  let room: PromiseWithResolvers<void> | null = null

  return {
    /** A window for one stream; smaller, the more there are. */
    openWindow (): { bytes: number, close: () => void } {
      const bytes = Math.min(largestWindow, Math.max(smallestWindow, Math.floor((half - windows) / 4)))
      windows += bytes
      let isOpen = true
      return {
        bytes,
        close () {
          if (isOpen) windows -= bytes
          isOpen = false
        }
      }
    },
    /** Counts bytes that have come. Null while there is room; else a promise of it. */
    hold (bytes: number): Promise<void> | null {
      held += bytes
      if (held <= half) return null
      room ??= Promise.withResolvers()
      return room.promise
    },
    release (bytes: number): void {
      held -= bytes
      if (held > half) return
      room?.resolve()
      room = null
    },
    get heldBytes () { return held },
    get windowBytes () { return windows }
  }
}
export type MemoryBudget = ReturnType<typeof createMemoryBudget>

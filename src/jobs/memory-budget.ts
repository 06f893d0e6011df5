/** Bytes that all streams of this process may have under way together: who wants more waits its turn. */
export function createMemoryBudget (totalBytes: number) {
  let free = totalBytes
  const waiting: { bytes: number, grant: () => void }[] = []

  function release (bytes: number): void {
    free += bytes
    while (waiting[0] && waiting[0].bytes <= free) {
      const next = waiting.shift()!
      free -= next.bytes
      next.grant()
    }
  }

  return {
    /** Fulfilled when the bytes are reserved; call what it answers exactly once. */
    async reserve (bytes: number): Promise<() => void> {
      if (bytes > totalBytes) throw new RangeError(`${bytes} bytes are more than the whole budget of ${totalBytes}`)
      if (waiting.length === 0 && bytes <= free) free -= bytes
      else await new Promise<void>(resolve => { waiting.push({ bytes, grant: resolve }) })
      return () => { release(bytes) }
    },
    get freeBytes () { return free }
  }
}
export type MemoryBudget = ReturnType<typeof createMemoryBudget>

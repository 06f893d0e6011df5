interface Entry<T> { value: Promise<T>, at: number }

/** Values by key that are given again for a short time, also while they are still on their way; failures never are. */
export function createRecent<T> (maxAgeMs: number) {
  const known = new Map<string, Entry<T>>()
  const isFresh = ({ at }: Entry<T>) => performance.now() - at <= maxAgeMs

  function keep (key: string, value: Promise<T>): Promise<T> {
    known.delete(key)
    const entry = { value, at: performance.now() }
    known.set(key, entry)
    value.catch(() => { if (known.get(key) === entry) known.delete(key) })
    // The oldest come first.
    for (const [other, old] of known) {
      if (isFresh(old)) break
      known.delete(other)
    }
    return value
  }

  return {
    remember (key: string, value: T): void { keep(key, Promise.resolve(value)) },
    of (key: string, read: () => Promise<T>): Promise<T> {
      const entry = known.get(key)
      return entry && isFresh(entry) ? entry.value : keep(key, read())
    }
  }
}

const maxParallel = 16

/** Filters by questions that take time, at most 16 at once. */
export async function filterAsync<T> (items: T[], keeps: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: boolean[] = []
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      kept[index] = await keeps(items[index]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(maxParallel, items.length) }, lane))
  return items.filter((_, index) => kept[index])
}

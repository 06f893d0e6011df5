interface ListOf<T> { items: T[], metadata?: { _continue?: string } }

/** All items of a list that the API server gives in pages. */
export async function allPages<T> (page: (request: { limit: number, _continue?: string }) => Promise<ListOf<T>>): Promise<T[]> {
  const items: T[] = []
  let token: string | undefined
  do {
    const list = await page({ limit: 500, ...(token ? { _continue: token } : {}) })
    items.push(...list.items)
    token = list.metadata?._continue
  } while (token)
  return items
}

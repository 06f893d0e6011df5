/**
 * Does work that ends within a time: then it is aborted, and rejects whether or not it obeys. Work that fails is aborted too, so that
 * nothing of it goes on.
 */
export async function within<T> (boundMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const bound = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => { late.reject(new Error(`no end within ${boundMs / 1000} s`)) }, boundMs)
  try {
    return await Promise.race([work(bound.signal), late.promise])
  } catch (error) {
    bound.abort(error)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

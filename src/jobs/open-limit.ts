/** A time limit that a signal can bring forward; to be closed, so that nothing is held until it is over. */
export function openLimit (signal: AbortSignal, milliseconds: number) {
  const { promise: reached, resolve } = Promise.withResolvers<null>()
  const over = () => { resolve(null) }
  const timer = setTimeout(over, milliseconds)
  signal.addEventListener('abort', over, { once: true })
  if (signal.aborted) over()
  return {
    reached,
    close (): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', over)
    }
  }
}

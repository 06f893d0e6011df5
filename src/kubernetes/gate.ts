/** At most `width` at a time for each key; the others wait in order. */
export function createGate (width: number) {
  const lanes = new Map<string, { busy: number, waiting: (() => void)[] }>()

  function leave (key: string): void {
    const lane = lanes.get(key)!
    const next = lane.waiting.shift()
    if (next) next()
    else if (--lane.busy === 0) lanes.delete(key)
  }

  async function enter (key: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const lane = lanes.get(key) ?? { busy: 0, waiting: [] }
    lanes.set(key, lane)
    if (lane.busy < width) {
      lane.busy++
      return
    }
    const turn = Promise.withResolvers<void>()
    const abort = () => {
      lane.waiting = lane.waiting.filter(waiting => waiting !== turn.resolve)
      turn.reject(signal.reason)
    }
    lane.waiting.push(turn.resolve)
    signal.addEventListener('abort', abort, { once: true })
    await turn.promise
    signal.removeEventListener('abort', abort)
  }

  return {
    async through<T> (key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
      await enter(key, signal)
      try {
        return await work()
      } finally {
        leave(key)
      }
    }
  }
}

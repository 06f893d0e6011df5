import { setTimeout as delay } from 'node:timers/promises'

interface Lane<T> { free: Promise<void>, next: Promise<T> | null }

/**
 * Calls by key. Those who ask while one is under way share the next one: many at once cost few calls, and nobody gets what was answered
 * before they asked. `everyMs`: as long as there are such, from the begin of one call to that of the next; who asks alone waits for nobody.
 */
export function shareCalls<T> (everyMs = 0) {
  const lanes = new Map<string, Lane<T>>()

  function begin (key: string, call: () => Promise<T>, pauseMs: number): Promise<T> {
    const running = call()
    const done = () => { if (lane.next === null) lanes.delete(key) }
    const free = pauseMs > 0 ? Promise.allSettled([running, delay(pauseMs)]).then(done) : running.then(done, done)
    const lane: Lane<T> = { free, next: null }
    lanes.set(key, lane)
    return running
  }

  return (key: string, call: () => Promise<T>): Promise<T> => {
    const lane = lanes.get(key)
    if (!lane) return begin(key, call, 0)
    lane.next ??= lane.free.then(() => begin(key, call, everyMs))
    return lane.next
  }
}

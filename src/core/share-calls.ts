interface Lane<T> { running: Promise<T>, next: Promise<T> | null }

/**
 * Calls by key. Those who ask while one is under way share the next one: many at once cost few calls, and nobody gets what was answered
 * before they asked.
 */
export function shareCalls<T> () {
  const lanes = new Map<string, Lane<T>>()

  function begin (key: string, call: () => Promise<T>): Promise<T> {
    const lane: Lane<T> = { running: call(), next: null }
    lanes.set(key, lane)
    const done = () => { if (lane.next === null) lanes.delete(key) }
    lane.running.then(done, done)
    return lane.running
  }

  return (key: string, call: () => Promise<T>): Promise<T> => {
    const lane = lanes.get(key)
    if (!lane) return begin(key, call)
    const after = () => begin(key, call)
    lane.next ??= lane.running.then(after, after)
    return lane.next
  }
}

import { setTimeout as delay } from 'node:timers/promises'

/** Asks again until it is so; the limit is for what never comes. */
export async function until (isSo: () => unknown, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !await isSo();) {
    if (Date.now() > end) throw new Error(`Cannot go on: what was waited for has not come within ${seconds} s`)
    await delay(20)
  }
}

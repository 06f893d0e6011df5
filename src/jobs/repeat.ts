import { setTimeout as delay } from 'node:timers/promises'

/** Does the work again and again, each time so long after its last end, until the signal. Work that rejects would end the process. */
export async function repeat (work: () => Promise<void>, milliseconds: number, signal: AbortSignal): Promise<void> {
  while (await delay(milliseconds, true, { signal }).catch(() => false)) await work()
}

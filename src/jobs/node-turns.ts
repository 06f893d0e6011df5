import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { LeaseStore } from '#core/ports/storage.ts'
import type { Turns } from '#core/ports/turns.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Log } from './context.ts'

/** So long a place stays taken that a dead process has left. */
const leaseSeconds = 15
const renewMs = 5000
const firstPauseMs = 25
const longestPauseMs = 500

interface NodeTurnsOptions { leases: LeaseStore, width: number, log: Log }

/** Injections and openings of channels on one node: what the kubelet and the runtime there get to do for us at a time. */
export function createNodeTurns ({ leases, width, log }: NodeTurnsOptions): Turns {
  /** Those who wait come in no order, and a little apart. */
  async function takePlace (node: string, holder: string, signal?: AbortSignal): Promise<string> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const place = await leases.takePlace(`open:${node}`, holder, leaseSeconds, width)
      if (place !== null) return place
      await delay(pauseMs * (0.5 + Math.random()), undefined, { signal })
    }
  }

  /** Its lease would run out by itself: who has what he wanted is not kept waiting, nor told. */
  function give (what: string, change: Promise<unknown>): void {
    change.catch((error: unknown) => { log.warn({ err: asProblem(error) }, `Cannot ${what} a place among those who open channels`) })
  }

  return {
    async through (node, work, signal) {
      if (node === '') return await work()
      const holder = uuidv7()
      const place = await takePlace(node, holder, signal)
      const renewal = setInterval(() => { give('renew', leases.acquire(place, holder, leaseSeconds)) }, renewMs)
      try {
        signal?.throwIfAborted()
        return await work()
      } finally {
        clearInterval(renewal)
        give('give back', leases.release(place, holder))
      }
    }
  }
}

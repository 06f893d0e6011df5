import { setTimeout as delay } from 'node:timers/promises'

export interface BreakerOptions {
  /** Whether an error means that the dependency is away. Every other error is an answer of one that is there. */
  isOutage: (error: unknown) => boolean
  /** Rejects while it is away. */
  probe: () => Promise<void>
  /** Called with the reason when it is taken for away, and with null when it answers again. */
  changed?: ((why: unknown) => void) | undefined
  failuresInARow?: number
  /** Between two probes. */
  pauseMs?: number
}

/**
 * Spares callers the wait for a dependency that is away: after some failures in a row calls are refused at once, and probes alone, one at a
 * time, find out when it is back. The first is sent at once, so that what was only cut costs a moment. (Why not a library:
 * docs/decisions/0007.)
 */
export function createBreaker ({ isOutage, probe, changed, failuresInARow = 5, pauseMs = 1000 }: BreakerOptions) {
  const closing = new AbortController()
  let failures = 0
  let away: { why: unknown } | null = null
  let probing: Promise<void> | null = null

  function worked (): void {
    failures = 0
    if (!away) return
    away = null
    changed?.(null)
  }

  function failed (error: unknown): void {
    if (!isOutage(error)) return worked()
    if (++failures < failuresInARow || away) return
    away = { why: error }
    changed?.(error)
    keepProbing(away)
  }

  function check (): Promise<void> {
    probing ??= probe().then(worked, (error: unknown) => {
      failed(error)
      throw error
    }).finally(() => { probing = null })
    return probing
  }

  async function keepProbing (outage: typeof away): Promise<void> {
    while (!closing.signal.aborted) {
      await check().catch(() => {}) // counted already
      if (away !== outage) return
      await delay(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => {}) // closed
    }
  }

  /** Throws, while the dependency is away, what `refuse` makes of the reason. */
  function demand (refuse: (why: unknown) => unknown): void {
    if (away) throw refuse(away.why)
  }

  return {
    get isOpen () { return away !== null },
    demand,
    /** Makes the call, or rejects as `demand` throws. */
    async through<T> (call: () => Promise<T>, refuse: (why: unknown) => unknown): Promise<T> {
      demand(refuse)
      try {
        const result = await call()
        worked()
        return result
      } catch (error) {
        failed(error)
        throw error
      }
    },
    /** Asks the dependency itself, whatever is thought of it; with whoever is just asking. */
    check,
    close (): void { closing.abort() }
  }
}
export type Breaker = ReturnType<typeof createBreaker>

import { setTimeout as delay } from 'node:timers/promises'
import type { StopCause } from '#core/ports/channel.ts'

const cancelGraceSeconds = 1
/** The runner's grace and a round trip: a channel that has said nothing by then will not say it in time. */
const cancelPatienceMs = 1500

interface Stoppable { capture: boolean, stop (cause: StopCause, graceSeconds?: number): void }

/** What others want of one measurement, handed on to the tools that run in it. */
export function createOrders () {
  const running = new Set<Stoppable>()
  const ending = new AbortController()
  const givenUp = new AbortController()
  let cause: 'cancelled' | 'shutdown' | null = null
  let finishAsked = false

  function end (why: 'cancelled' | 'shutdown', graceSeconds: number, patienceMs: number): void {
    if (cause !== null) return
    cause = why
    ending.abort(new Error(why))
    for (const run of running) run.stop(why, graceSeconds)
    delay(patienceMs, undefined, { ref: false }).then(() => { givenUp.abort() }, () => {})
  }

  return {
    /** Aborted by cancel and shutdown: nothing new is begun. */
    signal: ending.signal,
    /** Aborted when nobody waits any longer for what was asked to end. */
    givenUp: givenUp.signal,
    get cause () { return cause },
    cancel: () => { end('cancelled', cancelGraceSeconds, cancelPatienceMs) },
    shutdown: () => { end('shutdown', 2, 4000) },
    /** Captures end now, as planned. */
    finish (): void {
      finishAsked = true
      for (const run of running) if (run.capture) run.stop('finished')
    },
    /** Answers how to take the run off again. */
    add (run: Stoppable): () => void {
      running.add(run)
      if (cause !== null) run.stop(cause, cancelGraceSeconds)
      else if (finishAsked && run.capture) run.stop('finished')
      return () => { running.delete(run) }
    }
  }
}
export type Orders = ReturnType<typeof createOrders>

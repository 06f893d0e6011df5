import type { StopCause } from '#core/ports/channel.ts'

const cancelGraceSeconds = 1
/** The runner's grace and a round trip: a channel or a store that has not answered by then will not do so in time. */
const cancelPatienceMs = 1400
const shutdownGraceSeconds = 2
const shutdownPatienceMs = 4000

interface Running {
  stop (cause: StopCause, graceSeconds?: number): void
  /** Ends it as planned, with its own grace; null for tools that are not meant to be stopped. */
  finish: (() => void) | null
}

/** What others want of one measurement, handed on to the tools that run in it. */
export function createOrders () {
  const running = new Set<Running>()
  const ending = new AbortController()
  const givenUp = new AbortController()
  let cause: 'cancelled' | 'shutdown' | null = null
  let finishAsked = false
  let hasRun = false
  let hasStarted = false

  function stop (why: 'cancelled' | 'shutdown', graceSeconds: number, patienceMs: number): void {
    // Who cancels is not kept waiting by a shutdown that has begun.
    if (cause === why || cause === 'cancelled') return
    cause = why
    ending.abort(new Error(why))
    for (const run of running) run.stop(why, graceSeconds)
    setTimeout(() => { givenUp.abort() }, patienceMs).unref()
  }

  const shutdown = () => { stop('shutdown', shutdownGraceSeconds, shutdownPatienceMs) }

  return {
    /** Aborted by cancel and shutdown: nothing new is begun. */
    signal: ending.signal,
    /** Aborted when nobody waits any longer for what was asked to end. */
    givenUp: givenUp.signal,
    get cause () { return cause },
    /** Whether a tool was ever sent: then something may have been done in the pod. */
    get hasRun () { return hasRun },
    /** Whether a tool is known to have started: then not even a loss before the next one makes the measurement safe to repeat. */
    get hasStarted () { return hasStarted },
    noteStarted: () => { hasStarted = true },
    cancel: () => { stop('cancelled', cancelGraceSeconds, cancelPatienceMs) },
    shutdown,
    /** Captures end now and count as far as they got. */
    finish (): void {
      finishAsked = true
      for (const run of running) run.finish?.()
    },
    /** The process will stop: what has begun may end by itself, what has not is left to others. */
    drain (): void {
      if (!hasRun) shutdown()
    },
    /** Answers how to take the run off again. */
    add (run: Running): () => void {
      hasRun = true
      running.add(run)
      if (cause !== null) run.stop(cause, cancelGraceSeconds)
      else if (finishAsked) run.finish?.()
      return () => { running.delete(run) }
    }
  }
}
export type Orders = ReturnType<typeof createOrders>

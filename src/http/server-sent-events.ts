import type { FastifyRequest } from 'fastify'
import { asProblem } from '#core/errors.ts'
import type { JobEvent } from '#core/ports/storage.ts'
import { problemDetails } from '#core/problem-details.ts'

const heartbeatMs = 15_000

/** JSON has no raw line feed, so one data line is enough. */
const write = ({ seq, type, data }: JobEvent) => `id: ${seq}\nevent: ${type.replace(/[^\w.-]/g, '')}\ndata: ${JSON.stringify(data)}\n\n`

/** Resolves to null when nothing came for the time of a heartbeat. */
async function orSilence<T> (next: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<null>(resolve => { timer = setTimeout(resolve, heartbeatMs, null) })
  try {
    return await Promise.race([next, silence])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Events as text/event-stream, up to and with `end`; a comment when it is silent, so that nobody on the way takes the connection for dead.
 * The first event is on its way already. Leaving the generator (the caller has gone) closes the events.
 */
export async function * serverSentEvents (
  first: Promise<IteratorResult<JobEvent>>, events: AsyncIterator<JobEvent>, { log, id }: Pick<FastifyRequest, 'log' | 'id'>
): AsyncGenerator<string> {
  try {
    // Sent at once: some proxies hold the headers back until a byte follows.
    yield ': ephemera\nretry: 2000\n\n'
    let next = first
    for (;;) {
      const result = await orSilence(next)
      if (result === null) {
        yield ': still here\n\n'
        continue
      }
      if (result.done) return
      yield write(result.value)
      if (result.value.type === 'end') return
      next = events.next()
    }
  } catch (error) {
    // The status line is long gone: an event of its own says why there will be no more, without an id, so that resuming still works.
    if (error instanceof Error && error.name === 'AbortError') return
    const problem = asProblem(error)
    log.warn({ err: problem.cause ?? problem, code: problem.code }, 'event stream ended early')
    yield `event: problem\ndata: ${JSON.stringify(problemDetails(problem, id))}\n\n`
  } finally {
    // Not awaited: a generator that waits for its next event answers return() only after that event.
    events.return?.().catch((error: unknown) => log.debug({ err: error }, 'events did not close'))
  }
}

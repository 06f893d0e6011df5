import { setTimeout as delay } from 'node:timers/promises'
import { asProblem, Problem } from '#core/errors.ts'
import { settleCause, outcomes, type EndCause } from '#core/outcome.ts'
import { ChannelLost, type ChannelRun, type RunEnd, type RunRequest, type RunSink } from '#core/ports/channel.ts'
import type { Run } from '#core/run.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Measurement } from './measurement.ts'
import { failureOf } from './run-failure.ts'

/** What the runner may need beyond the deadline, and then some: later than this nothing will come. */
const deadlinePatienceMs = 10_000

export interface Sinks extends RunSink {
  /** Stores what is left once the tool has ended as `cause`; answers the streams and, where they are not whole, another cause. */
  close (end: RunEnd | null, cause: EndCause): Promise<{ streams: Run['streams'], cause: EndCause, because?: string }>
}

export type ToolRequest = Pick<RunRequest, 'argv'> & Partial<Omit<RunRequest, 'id' | 'argv' | 'seconds'>>

interface ToolRun {
  request: ToolRequest
  capture: boolean
  /** Gets the way to end the run as planned. */
  sinks: (run: { id: string, stop: ChannelRun['stop'] }) => Sinks
}

export interface EndedTool { id: string, end: RunEnd, endCause: EndCause }

/** One tool from its row to its end. Rejects with a RunFailure whenever the end is not one that the measurement can go on from. */
export async function runTool (measurement: Measurement, { request, capture, sinks: openSinks }: ToolRun): Promise<EndedTool> {
  const { database, claim, diagnostic, acquired, orders, note } = measurement
  const [tool = ''] = request.argv
  const seconds = (measurement.deadline - Date.now()) / 1000
  const refused = orders.cause ? failureOf(orders.cause, tool) : seconds <= 0 ? failureOf('deadline', tool) : null
  if (refused) throw refused

  const id = uuidv7()
  const { argv } = request
  const { jobPodId, jobId, attempt } = claim
  const row = database.runs.start({ id, argv, jobPodId, jobId, attempt, sessionId: acquired.session.id, diagnostic: diagnostic.name })
  // Where a second run could do harm, the row must stand before anything is sent.
  if (!diagnostic.retrySafe) await row
  else row.catch(() => {})

  const sent = Promise.withResolvers<ChannelRun>()
  const stop: ChannelRun['stop'] = (...order) => { sent.promise.then(run => { run.stop(...order) }, () => {}) }
  const sinks = openSinks({ id, stop })
  const run = acquired.channel.run({ ...request, id, seconds }, sinks)
  sent.resolve(run)
  run.ended.catch(() => {})
  const forget = orders.add({ capture, stop })
  measurement.runIds.push(id)

  let end: RunEnd | null = null
  let endCause: EndCause = 'disconnected'
  let lost: unknown = null
  try {
    await Promise.race([run.started, abandoned(orders.givenUp)])
    const marked = row.then(() => database.runs.started(id))
    note('run', { runId: id, phase: 'started' })
    if (!diagnostic.retrySafe) await marked
    end = await Promise.race([run.ended, abandoned(orders.givenUp), delay(seconds * 1000 + deadlinePatienceMs, null, { ref: false })])
    await marked
    endCause = end
      ? settleCause({ ...end, proven: end.stdout.proven && end.stderr.proven, whole: end.stdout.whole && end.stderr.whole })
      : orders.cause ?? 'deadline'
  } catch (error) {
    lost = error
  } finally {
    forget()
  }

  const closed = await sinks.close(end, endCause)
  endCause = closed.cause
  await row
  await database.runs.end(id, {
    exitCode: end?.exitCode ?? null,
    signal: end?.signal ?? null,
    endCause,
    durationMs: end?.durationMs ?? null,
    completeness: outcomes[endCause].completeness,
    streams: closed.streams
  })
  note('run', { runId: id, phase: 'ended', endCause })
  if (lost && !(lost instanceof ChannelLost)) throw lost instanceof Problem ? lost : asProblem(lost)
  const failure = failureOf(endCause, tool, closed.because)
  if (failure) throw failure
  if (!end) throw new Problem('EPH_INTERNAL', `Cannot tell how ${tool} ended`)
  return { id, end, endCause }
}

function abandoned (signal: AbortSignal): Promise<null> {
  if (signal.aborted) return Promise.resolve(null)
  return new Promise(resolve => { signal.addEventListener('abort', () => { resolve(null) }, { once: true }) })
}

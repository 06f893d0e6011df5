import { asProblem, Problem } from '#core/errors.ts'
import { settleCause, outcomes, type EndCause } from '#core/outcome.ts'
import { ChannelLost, type ChannelRun, type RunEnd, type RunRequest, type RunSink } from '#core/ports/channel.ts'
import type { OutputPiece } from '#core/ports/storage.ts'
import type { Run } from '#core/run.ts'
import { v7 as uuidv7 } from 'uuid'
import type { Measurement } from './measurement.ts'
import { openLimit } from './open-limit.ts'
import { persist } from './persist.ts'
import { failureOf, RunFailure } from './run-failure.ts'

/** What the runner may need beyond the deadline, and then some: later than this nothing will come. */
const deadlinePatienceMs = 10_000
/** A tool that is quicker and may be run again is written down as started with its end. */
const quickMs = 150

export interface Sinks extends RunSink {
  /** Fulfilled when a planned end would lose nothing: asked to end before it listens, a capture would leave nothing at all. */
  readyToEnd (): Promise<void>
  /**
   * Stores what is left once the tool has ended as `cause`, but the last pieces; answers these, the streams and, where they are not whole,
   * another cause.
   */
  close (end: RunEnd | null, cause: EndCause): Promise<{ streams: Run['streams'], last: OutputPiece[], cause: EndCause, because?: string }>
}

export type ToolRequest = Pick<RunRequest, 'argv'> & Partial<Omit<RunRequest, 'id' | 'argv' | 'seconds'>>

export interface OpenedRun {
  id: string
  /** Fulfilled when its row stands: the tool may be quicker. */
  row: Promise<void>
  stop: ChannelRun['stop']
}

interface ToolRun {
  request: ToolRequest
  /** Meant to be stopped: asked to end, it ends as planned. */
  stoppable: boolean
  sinks: (run: OpenedRun) => Sinks
}

export interface EndedTool {
  id: string
  /** Its number among the runs of the diagnostic. */
  run: number
  end: RunEnd
  endCause: EndCause
}

/** One tool from its row to its end. Rejects with a RunFailure whenever the end is not one that the measurement can go on from. */
export async function runTool (measurement: Measurement, { request, stoppable, sinks: openSinks }: ToolRun): Promise<EndedTool> {
  const { database: { runs }, claim, diagnostic, acquired, orders, lastRun } = measurement
  const [tool = ''] = request.argv
  await lastRun.write()
  orders.signal.throwIfAborted()
  const seconds = (measurement.deadline - performance.now()) / 1000
  if (seconds <= 0) throw new RunFailure('deadline', 'EPH_RUN_TIMEOUT', `Cannot start ${tool}: the time of the measurement is over`)

  const id = uuidv7()
  const { argv } = request
  const { jobPodId, jobId, attempt } = claim
  const { session, reused } = acquired
  const { username } = claim.principal
  const row = runs.start({ id, argv, jobPodId, jobId, attempt, sessionId: session.id, reused, username, diagnostic: diagnostic.name })
  // Where a second run could do harm, the row must stand before anything is sent; elsewhere its failure is met below.
  if (!diagnostic.retrySafe) await row
  // Another attempt owns the claim: what runs here could no longer be written down.
  row.catch((error: unknown) => { if (asProblem(error).code === 'EPH_CONFLICT') orders.cancel() })
  const run = measurement.runIds.push(id) - 1

  const sent = Promise.withResolvers<ChannelRun>()
  const stop: ChannelRun['stop'] = (...order) => { sent.promise.then(run => { run.stop(...order) }, () => {}) }
  const sinks = openSinks({ id, row, stop })
  const finish = stoppable ? () => { sinks.readyToEnd().then(() => { stop('finished') }) } : null
  const forget = orders.add({ stop, finish })
  const told = await follow(measurement, { ...request, id, seconds }, { sinks, sent, row }).finally(forget)

  const closed = await sinks.close(told.end, told.cause)
  await row
  await told.marked
  const { endCause, completeness } = told.hasStarted
    ? { endCause: closed.cause, completeness: outcomes[closed.cause].completeness }
    : { endCause: null, completeness: null }
  const { exitCode = null, signal = null, durationMs = null } = told.end ?? {}
  const { streams, last } = closed
  const unwritten = { started: told.hasStarted, output: last }
  lastRun.keep(id, { exitCode, signal, endCause, durationMs, completeness, streams, unwritten })
  if (!diagnostic.retrySafe) await lastRun.write()
  if (told.problem) throw told.problem
  const failure = failureOf(closed.cause, tool, closed.because)
  if (failure) throw failure
  if (!told.end) throw new Problem('EPH_INTERNAL', `Cannot tell how ${tool} ended`)
  return { id, run, end: told.end, endCause: closed.cause }
}

interface Followed {
  end: RunEnd | null
  cause: EndCause
  hasStarted: boolean
  /** Fulfilled when the row says that it has started. */
  marked: Promise<void>
  /** Where no end of a run can tell what happened. */
  problem: Problem | null
}

interface Following { sinks: Sinks, sent: PromiseWithResolvers<ChannelRun>, row: Promise<void> }

/** Sends the run and waits for its end, or until nobody waits any more. Never rejects. */
async function follow (measurement: Measurement, request: RunRequest, { sinks, sent, row }: Following): Promise<Followed> {
  const { database: { runs }, acquired: { channel }, hold, orders, diagnostic } = measurement
  const limit = openLimit(orders.givenUp, request.seconds * 1000 + deadlinePatienceMs)
  let mark: NodeJS.Timeout | undefined
  const followed: Followed = { end: null, cause: 'disconnected', hasStarted: false, marked: Promise.resolve(), problem: null }
  try {
    // Its row stands, but this process may have stood still since: then a sweep has ended the row, and the tool must not run.
    while (!hold.isSure()) await persist(() => hold.prove())
    const run = channel.run(request, sinks)
    sent.resolve(run)
    run.ended.catch(() => {}) // waited for below, unless it was lost before it started
    followed.hasStarted = await Promise.race([run.started.then(() => true), limit.reached.then(() => false)])
    if (followed.hasStarted) {
      orders.noteStarted()
      // Where a second run could do harm, that it has started must be known at once.
      mark = setTimeout(() => {
        followed.marked = row.then(() => persist(() => runs.started(request.id)))
        followed.marked.catch(() => {})
      }, diagnostic.retrySafe ? quickMs : 0)
      followed.end = await Promise.race([run.ended, limit.reached])
    }
    followed.cause = followed.end ? causeOf(followed.end) : orders.cause ?? 'deadline'
  } catch (error) {
    if (!(error instanceof ChannelLost)) followed.problem = asProblem(error)
  } finally {
    clearTimeout(mark)
    limit.close()
  }
  return followed
}

function causeOf (end: RunEnd): EndCause {
  const { stdout, stderr } = end
  return settleCause({ ...end, proven: stdout.proven && stderr.proven, whole: stdout.whole && stderr.whole })
}

import { asProblem, Problem } from '#core/errors.ts'
import { verdictOf, verdictOfPart } from '#core/finding.ts'
import type { Claim, PodResult } from '#core/ports/storage.ts'
import { right } from '#core/principal.ts'
import { acquireSession, type Acquired } from './acquire-session.ts'
import type { Context } from './context.ts'
import { toFindings } from './findings.ts'
import { toJobError } from './job-error.ts'
import type { Measurement } from './measurement.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { Orders } from './orders.ts'
import { findImage } from './plan-launch.ts'
import { planPod } from './preflight.ts'
import { createProbe } from './probe.ts'
import { RunFailure } from './run-failure.ts'

/** What became of a claim: its result, or that another attempt should be made. */
export type Ending = { result: PodResult } | { retryBecause: string, otherwise: PodResult }

interface Work { claim: Claim, orders: Orders, budget: MemoryBudget, note: (type: string, data: Record<string, unknown>) => void }

/** Measures one pod of a job. Never rejects: whatever happens is a result. */
export async function execute (context: Context, work: Work): Promise<Ending> {
  const { claim, orders } = work
  const begun: { acquired?: Acquired } = {}
  try {
    return { result: await measure(context, work, begun) }
  } catch (error) {
    if (orders.signal.aborted && !(error instanceof RunFailure)) return interrupted(orders)
    return await endingOf(context, claim, await explain(context, error, begun.acquired))
  }
}

async function measure (context: Context, { claim, orders, budget, note }: Work, begun: { acquired?: Acquired }): Promise<PodResult> {
  const { catalogue, authority, reader, database } = context
  const deadline = Date.now() + claim.timeoutSeconds * 1000
  const diagnostic = catalogue.get(claim.diagnostic)
  if (!diagnostic) throw new Problem('EPH_DIAGNOSTIC_UNKNOWN', `Cannot run "${claim.diagnostic}": this version of the service does not have it`)
  const image = findImage(context, claim.image)
  const { signal } = orders
  const [pod, namespace] = await Promise.all([
    reader.pod(claim.namespace, claim.pod, signal),
    reader.namespace(claim.namespace, signal),
    authority.demand(claim.principal, right('create', diagnostic.right, claim.namespace))
  ])
  if (!pod || !namespace || pod.uid !== claim.podUid) {
    throw new Problem('EPH_POD_GONE', `Cannot look into pod "${claim.namespace}/${claim.pod}": it ${pod ? 'was replaced' : 'is gone'}`, { effect: 'none' })
  }
  const { targetContainer } = claim
  const plan = await planPod(context, { pod, namespace, diagnostic, params: claim.params, image, targetContainer }, signal)
  const wanted = { name: image.name, reference: image.references[0]! }
  const acquired = await acquireSession(context, { plan, image: wanted, username: claim.principal.username, signal })
  begun.acquired = acquired
  const attached = Promise.all([
    database.jobs.attachSession(claim, acquired.session.id, acquired.reused),
    database.sessions.used(acquired.session.id, claim.principal.username)
  ])
  const runIds: string[] = []
  const measurement: Measurement = {
    ...context, claim, diagnostic, pod, targetContainer, acquired, orders, budget, deadline, runIds, kept: null, note
  }
  const measuring = diagnostic.measure(claim.params, createProbe(measurement))
  // Both are waited for, whichever fails first: nothing of a measurement may go on behind its result.
  const [measured, rows] = await Promise.allSettled([measuring, attached])
  const judge = (report: Record<string, unknown>) =>
    toFindings(diagnostic, diagnostic.judge(report, claim.params), { pod: claim.pod, runIds })
  if (measured.status === 'rejected') {
    const { kept } = measurement
    if (!kept || !isUnusable(measured.reason) || rows.status === 'rejected') throw measured.reason
    const findings = judge(kept)
    return { state: 'succeeded', verdict: verdictOfPart(findings), error: toJobError(asProblem(measured.reason)), report: kept, findings }
  }
  if (rows.status === 'rejected') throw rows.reason
  const report = measured.value
  const findings = judge(report)
  return { state: 'succeeded', verdict: verdictOf(findings), error: null, report, findings }
}

/** The tool has run, but what it said is cut or cannot be read. */
const isUnusable = (error: unknown): boolean => error instanceof RunFailure
  ? error.outcome.podState === 'succeeded'
  : error instanceof Problem && error.code === 'EPH_OUTPUT_UNREADABLE'

/** A lost connection has reasons that only the pod's status tells. */
async function explain ({ channels, database, log }: Context, error: unknown, acquired: Acquired | undefined): Promise<Problem> {
  const problem = asProblem(error)
  if (problem.code === 'EPH_INTERNAL') log.error({ err: error }, 'A measurement failed unexpectedly')
  const wasLost = problem.code === 'EPH_CHANNEL_LOST' || (problem instanceof RunFailure && problem.endCause === 'disconnected')
  if (!wasLost || !acquired) return problem
  const { pod } = acquired.place
  const why = await channels.postMortem(acquired.place).catch(() => 'unknown' as const)
  if (why === 'oom' || why === 'containerEnded') await database.sessions.close(acquired.session.id, why)
  if (why === 'oom') return new RunFailure('oom', 'EPH_OUT_OF_MEMORY', `Cannot finish in pod "${pod}": the kernel killed our container for memory`)
  if (why === 'podGone') return new Problem('EPH_POD_GONE', `Cannot finish in pod "${pod}": it is gone`)
  if (why === 'nodeGone') return new Problem('EPH_NODE_GONE', `Cannot finish in pod "${pod}": its node cannot be reached`)
  return problem
}

const ended = (state: PodResult['state'], problem: Problem, verdict: PodResult['verdict'] = null): PodResult =>
  ({ state, verdict, error: toJobError(problem), report: null, findings: [] })

function endingOf ({ catalogue }: Context, claim: Claim, problem: Problem): Ending {
  if (isUnusable(problem)) return { result: ended('succeeded', problem, 'inconclusive') }
  if (problem instanceof RunFailure) {
    const { podState, retry } = problem.outcome
    const result = ended(podState, problem)
    return retry && catalogue.get(claim.diagnostic)?.retrySafe ? { retryBecause: problem.message, otherwise: result } : { result }
  }
  if (problem.code === 'EPH_FORBIDDEN') return { result: ended('denied', problem) }
  const result = ended('failed', problem)
  const passing = ['EPH_CHANNEL_LOST', 'EPH_CLUSTER_UNAVAILABLE', 'EPH_DATABASE_UNAVAILABLE'].includes(problem.code)
  return passing ? { retryBecause: problem.message, otherwise: result } : { result }
}

/** Cancelled or shut down before a tool ran: nothing was done in the pod but, perhaps, a session opened. */
function interrupted (orders: Orders): Ending {
  if (orders.cause === 'cancelled') {
    return { result: ended('cancelled', new Problem('EPH_CANCELLED', 'Cannot go on: the job was cancelled', { effect: 'none' })) }
  }
  const problem = new Problem('EPH_SHUTDOWN', 'Cannot go on: the service was stopped', { effect: 'none' })
  return { retryBecause: problem.message, otherwise: ended('failed', problem) }
}

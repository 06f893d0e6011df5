import { asProblem } from '#core/errors.ts'
import { verdictOf, verdictOfPart } from '#core/finding.ts'
import type { Claim, PodResult } from '#core/ports/storage.ts'
import type { AcquireSession, Acquired } from './acquire-session.ts'
import type { Context } from './context.ts'
import { digestOf } from './digest-of.ts'
import { endingOf, explainLoss, interrupted, isUnusable, type Ending } from './ending.ts'
import { toFindings } from './findings.ts'
import type { Hold } from './hold.ts'
import { toJobError } from './job-error.ts'
import type { Measurement } from './measurement.ts'
import type { MemoryBudget } from './memory-budget.ts'
import type { Orders } from './orders.ts'
import { createProbe } from './probe.ts'
import { reconsider } from './reconsider.ts'
import { RunFailure } from './run-failure.ts'

export interface Work {
  claim: Claim
  hold: Hold
  orders: Orders
  budget: MemoryBudget
  acquireSession: AcquireSession
  lastRun: Measurement['lastRun']
  note: Measurement['note']
}

/** Measures one pod of a job. Never rejects: whatever happens is a result. */
export async function execute (context: Context, work: Work): Promise<Ending> {
  const { claim, orders } = work
  const retrySafe = context.catalogue.get(claim.diagnostic)?.retrySafe ?? false
  const begun: Begun = {}
  try {
    return { result: await measureAnew(context, work, begun, retrySafe) }
  } catch (error) {
    if (orders.cause && !(error instanceof RunFailure)) return interrupted(orders.cause, orders.hasRun && !retrySafe)
    const problem = asProblem(error)
    if (problem.code === 'EPH_INTERNAL') context.log.error({ err: error, jobId: claim.jobId }, 'A measurement failed unexpectedly')
    return endingOf(await explainLoss(context, problem, begun.acquired), retrySafe || !orders.hasStarted)
  }
}

/** What is known of a measurement that failed. */
interface Begun {
  acquired?: Acquired
  /** The session lives since before an upgrade: its image is not the one that a new session would have. */
  isOld?: boolean
}

/** A session of the image before the current one is used on, but may lack a tool that came with the upgrade: then a new one is used. */
async function measureAnew (context: Context, work: Work, begun: Begun, retrySafe: boolean): Promise<PodResult> {
  try {
    return await measure(context, work, begun)
  } catch (error) {
    if (asProblem(error).code !== 'EPH_TOOL_MISSING' || !begun.isOld || (work.orders.hasStarted && !retrySafe)) throw error
    return await measure(context, work, begun, true)
  }
}

async function measure (context: Context, work: Work, begun: Begun, onlyCurrent = false): Promise<PodResult> {
  const { claim, hold, orders, budget, acquireSession, lastRun, note } = work
  const { diagnostic, image, plan: anyPlan } = await reconsider(context, claim, orders.signal)
  const wanted = { name: image.name, reference: image.references[0]! }
  const current = digestOf(wanted.reference)
  const plan = onlyCurrent ? { ...anyPlan, key: { ...anyPlan.key, imageDigests: [current] }, session: null } : anyPlan
  const acquired = await acquireSession({ plan, image: wanted, username: claim.principal.username }, orders.signal)
  begun.acquired = acquired
  begun.isOld = acquired.session.imageDigest !== current

  const runIds: string[] = []
  const measurement: Measurement = {
    ...context,
    claim,
    hold,
    diagnostic,
    pod: plan.pod,
    targetContainer: plan.targetContainer,
    acquired,
    orders,
    budget,
    deadline: performance.now() + claim.timeoutSeconds * 1000,
    lastRun,
    runIds,
    kept: null,
    note
  }
  const { report, failure } = await diagnostic.measure(claim.params, createProbe(measurement)).then(
    report => ({ report, failure: null }), (error: unknown) => ({ report: isUnusable(error) ? measurement.kept : null, failure: { error } })
  )
  // A run remembers its session.
  if (runIds.length === 0) await context.database.jobs.attachSession(claim, acquired.session.id, acquired.reused)
  if (!report) throw failure?.error
  const findings = toFindings(diagnostic, diagnostic.judge(report, claim.params), { catalogue: context.catalogue, pod: claim.pod, runIds })
  return failure
    ? { state: 'succeeded', verdict: verdictOfPart(findings), error: toJobError(asProblem(failure.error)), report, findings }
    : { state: 'succeeded', verdict: verdictOf(findings), error: null, report, findings }
}

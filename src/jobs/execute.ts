import { asProblem } from '#core/errors.ts'
import { verdictOf, verdictOfPart } from '#core/finding.ts'
import type { Claim, PodResult } from '#core/ports/storage.ts'
import type { AcquireSession, Acquired } from './acquire-session.ts'
import type { Context } from './context.ts'
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
  const begun: { acquired?: Acquired } = {}
  try {
    return { result: await measure(context, work, begun) }
  } catch (error) {
    if (orders.cause && !(error instanceof RunFailure)) return interrupted(orders.cause, orders.hasRun && !retrySafe)
    const problem = asProblem(error)
    if (problem.code === 'EPH_INTERNAL') context.log.error({ err: error, jobId: claim.jobId }, 'A measurement failed unexpectedly')
    return endingOf(await explainLoss(context, problem, begun.acquired), retrySafe || !orders.hasStarted)
  }
}

async function measure (context: Context, work: Work, begun: { acquired?: Acquired }): Promise<PodResult> {
  const { claim, hold, orders, budget, acquireSession, lastRun, note } = work
  const { diagnostic, image, plan } = await reconsider(context, claim, orders.signal)
  const wanted = { name: image.name, reference: image.references[0]! }
  const acquired = await acquireSession({ plan, image: wanted, username: claim.principal.username }, orders.signal)
  begun.acquired = acquired

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

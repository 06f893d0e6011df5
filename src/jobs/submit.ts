import { createHash } from 'node:crypto'
import { asProblem, type Problem } from '#core/errors.ts'
import type { Job, JobRequest } from '#core/job.ts'
import type { DraftPod } from '#core/ports/storage.ts'
import type { Principal } from '#core/principal.ts'
import { v7 as uuidv7 } from 'uuid'
import { auditEvent, audited } from './audit.ts'
import { canonicalJson } from './canonical-json.ts'
import type { Context } from './context.ts'
import { toJobError } from './job-error.ts'
import { planLaunch, type LaunchPlan } from './plan-launch.ts'
import { planPod, preflightPod } from './preflight.ts'

const startWithinDefault = 300

export function createSubmit (context: Context) {
  const attempted = (caller: Principal, request: JobRequest, action: string) =>
    ({ action, caller, namespace: request.target.namespace, object: `${request.diagnostic} on ${describeTarget(request)}` })

  return {
    /** Accepts a job: when this is fulfilled, it is stored. */
    submit: (caller: Principal, request: JobRequest, { idempotencyKey }: { idempotencyKey: string | null }) =>
      audited(context, attempted(caller, request, 'launch'), async (): Promise<{ job: Job, replayed: boolean }> => {
        const idempotency = idempotencyKey === null ? null : { key: idempotencyKey, requestHash: hashOf(request) }
        if (idempotency) {
          const job = await context.database.jobs.replay(caller, idempotency.key, idempotency.requestHash)
          if (job) return { job, replayed: true }
        }
        const plan = await planLaunch(context, caller, request)
        const pods = await draftPods(context, plan, request.target.targetContainer)
        const accepted = await context.database.jobs.create({
          id: uuidv7(),
          principal: caller,
          diagnostic: plan.diagnostic.name,
          diagnosticVersion: plan.diagnostic.version,
          retrySafe: plan.diagnostic.retrySafe,
          namespace: request.target.namespace,
          target: request.target,
          params: plan.params,
          reason: request.reason ?? null,
          labels: request.labels ?? {},
          image: plan.image.name,
          priority: request.priority ?? 'interactive',
          timeoutSeconds: request.timeoutSeconds ?? plan.diagnostic.timeoutSecondsFor(plan.params),
          startWithinSeconds: request.startWithinSeconds ?? startWithinDefault,
          matched: plan.resolved.matched,
          rule: plan.resolved.rule,
          pods,
          idempotency,
          audit: auditEvent({ ...attempted(caller, request, 'launch'), principal: caller, detail: { reason: request.reason ?? null } })
        })
        if (!accepted.replayed) await context.wake.ring()
        return accepted
      }),

    /** What `submit` would do, pod by pod, without doing it. */
    preflight: (caller: Principal, request: JobRequest) => audited(context, attempted(caller, request, 'preflight'), async () => {
      const { diagnostic, params, image, namespace, resolved } = await planLaunch(context, caller, request)
      const { targetContainer } = request.target
      return Promise.all(resolved.pods.map(pod => preflightPod(context, { pod, namespace, diagnostic, params, image, targetContainer })))
    })
  }
}

const hashOf = (request: JobRequest) => createHash('sha256').update(canonicalJson(request)).digest('hex')

function describeTarget ({ target: { namespace, pod, workload, service, labelSelector } }: JobRequest): string {
  return `${namespace}/${pod ?? (workload ? `${workload.kind}/${workload.name}` : service ? `Service/${service}` : labelSelector ?? '')}`
}

/** Single refused pods are failed from the start; where all are, the first one's reason refuses the launch. */
async function draftPods (context: Context, plan: LaunchPlan, targetContainer: string | undefined): Promise<DraftPod[]> {
  const refusals: Problem[] = []
  const drafts = await Promise.all(plan.resolved.pods.map(async (pod): Promise<DraftPod> => {
    try {
      const planned = await planPod(context, { ...plan, pod, targetContainer })
      return { id: uuidv7(), pod, targetContainer: planned.targetContainer, error: null }
    } catch (error) {
      const problem = asProblem(error)
      // Trouble of ours or the cluster's says nothing about this pod.
      if (problem.status >= 500) throw error
      refusals.push(problem)
      return { id: uuidv7(), pod, targetContainer: targetContainer ?? '', error: toJobError(problem) }
    }
  }))
  if (refusals.length === drafts.length && refusals[0]) throw refusals[0]
  return drafts
}

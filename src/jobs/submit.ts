import { createHash } from 'node:crypto'
import type { Job, JobRequest } from '#core/job.ts'
import type { Sharing } from '#core/ports/storage.ts'
import type { PreflightPod } from '#core/preflight.ts'
import { right, type Principal } from '#core/principal.ts'
import { v7 as uuidv7 } from 'uuid'
import { auditEvent, audited } from './audit.ts'
import { canonicalJson } from './canonical-json.ts'
import { checkLaunch, type Checked } from './check-launch.ts'
import type { Context } from './context.ts'
import { draftPods } from './draft-pods.ts'
import { preflightPod } from './preflight-pod.ts'
import { recentReadings } from './recent-readings.ts'
import { ring } from './ring.ts'
import type { UseCases } from './use-cases.ts'

const startWithinDefault = 300

interface Shareable { sharing: Sharing, pods: PreflightPod[] }

/** Who may not read jobs in the namespace shares only what is his own. */
async function sharingOf ({ authority }: Context, caller: Principal, { maxAgeSeconds, target }: JobRequest): Promise<Sharing | null> {
  if (maxAgeSeconds === undefined) return null
  return { maxAgeSeconds, ownOnly: !await authority.may(caller, right('get', 'jobs', target.namespace)) }
}

export function createSubmit (context: Context): Pick<UseCases, 'submit' | 'preflight'> {
  const { jobs } = context.database
  const attempted = (caller: Principal, request: JobRequest, action: string) =>
    ({ action, caller, namespace: request.target.namespace, object: `${request.diagnostic} on ${describeTarget(request)}` })

  const findSource = (principal: Principal, { diagnostic: { name, version }, image, params, sharing, pods }: Checked & Shareable) =>
    jobs.findSource({
      principal,
      diagnostic: name,
      diagnosticVersion: version,
      params,
      image: image.name,
      sharing,
      pods: pods.map(({ podUid, targetContainer, error }) => ({ podUid, targetContainer: targetContainer ?? '', error }))
    })

  return {
    /** Accepts a job: when this is fulfilled, it is stored. */
    submit: (caller, request, { idempotencyKey }) => audited(context, attempted(caller, request, 'launch'), async () => {
      const { diagnostic, image, params } = await checkLaunch(context, caller, request)
      const idempotency = idempotencyKey === null ? null : { key: idempotencyKey, requestHash: hashOf(request) }
      const known: Job | null = idempotency && await jobs.replay(caller, idempotency.key, idempotency.requestHash)
      if (known) return { job: known, replayed: true }
      const { target, reason = null, labels = {}, priority = 'interactive', timeoutSeconds, startWithinSeconds } = request
      const { namespace, resolved } = await recentReadings(context.reader).aim(target)
      const id = uuidv7()
      const accepted = await jobs.create({
        id,
        principal: caller,
        diagnostic: diagnostic.name,
        diagnosticVersion: diagnostic.version,
        retrySafe: diagnostic.retrySafe,
        namespace: target.namespace,
        target,
        params,
        reason,
        labels,
        image: image.name,
        priority,
        timeoutSeconds: timeoutSeconds ?? diagnostic.timeoutSecondsFor(params),
        startWithinSeconds: startWithinSeconds ?? startWithinDefault,
        matched: resolved.matched,
        rule: resolved.rule,
        pods: await draftPods(context, resolved.pods, { namespace, diagnostic, params, image, targetContainer: target.targetContainer }),
        captures: diagnostic.right === 'captures',
        sharing: await sharingOf(context, caller, request),
        idempotency,
        audit: auditEvent({ ...attempted(caller, request, 'launch'), principal: caller, detail: { jobId: id, reason } })
      })
      if (!accepted.replayed) ring(context)
      return accepted
    }),

    /** What `submit` would do, pod by pod, without doing it. */
    preflight: (caller, request) => audited(context, attempted(caller, request, 'preflight'), async () => {
      const checked = await checkLaunch(context, caller, request)
      const { namespace, resolved } = await recentReadings(context.reader).aim(request.target)
      const { targetContainer } = request.target
      const { matched, rule } = resolved
      const pods = await Promise.all(resolved.pods.map(pod => preflightPod(context, { ...checked, pod, namespace, targetContainer })))
      const sharing = await sharingOf(context, caller, request)
      return { matched, rule, deduplicatedFrom: sharing && await findSource(caller, { ...checked, sharing, pods }), pods }
    })
  }
}

const hashOf = (request: JobRequest) => createHash('sha256').update(canonicalJson(request)).digest('hex')

function describeTarget ({ target: { namespace, pod, workload, service, labelSelector } }: JobRequest): string {
  return `${namespace}/${pod ?? (workload ? `${workload.kind}/${workload.name}` : service ? `Service/${service}` : labelSelector ?? '')}`
}

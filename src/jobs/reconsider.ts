import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { Claim } from '#core/ports/storage.ts'
import type { ImageEntry } from '#core/preflight.ts'
import { right } from '#core/principal.ts'
import type { Context } from './context.ts'
import { findImage } from './check-launch.ts'
import { planPod, type PodPlan } from './preflight.ts'
import { demandReadings } from './read-objects.ts'
import { recentReadings } from './recent-readings.ts'
import { unlessAborted } from './unless-aborted.ts'

export interface Reconsidered { diagnostic: AnyDiagnostic, image: ImageEntry, plan: PodPlan }

/** What was asked at the launch is asked again at dispatch: rights and pod may have changed since. */
export async function reconsider (context: Context, claim: Claim, signal: AbortSignal): Promise<Reconsidered> {
  const { catalogue, authority } = context
  const { params, targetContainer } = claim
  const diagnostic = catalogue.get(claim.diagnostic)
  if (!diagnostic) throw new Problem('EPH_DIAGNOSTIC_UNKNOWN', `Cannot run "${claim.diagnostic}": this version of the service does not have it`)
  const image = findImage(context, claim.image)
  const [{ pod, namespace }] = await Promise.all([
    unlessAborted(recentReadings(context.reader).of(claim.namespace, claim.pod), signal),
    authority.demand(claim.principal, right('create', diagnostic.right, claim.namespace)),
    demandReadings(context, claim.principal, diagnostic.reads?.(params, claim.namespace) ?? [])
  ])
  if (!pod || !namespace || pod.uid !== claim.podUid) {
    throw new Problem('EPH_POD_GONE', `Cannot look into pod "${claim.namespace}/${claim.pod}": it ${pod ? 'was replaced' : 'is gone'}`, { effect: 'none' })
  }
  return { diagnostic, image, plan: await planPod(context, { pod, namespace, diagnostic, params, image, targetContainer }, signal) }
}

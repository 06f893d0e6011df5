import { checkParams } from '#core/check-params.ts'
import { demandSupported } from '#core/demand-supported.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { JobRequest } from '#core/job.ts'
import type { NamespaceSummary, ResolvedTarget } from '#core/ports/cluster.ts'
import type { ImageEntry } from '#core/preflight.ts'
import { right, type Principal } from '#core/principal.ts'
import { checkTarget } from '#core/target.ts'
import type { Context } from './context.ts'

export interface LaunchPlan {
  diagnostic: AnyDiagnostic
  params: Record<string, unknown>
  image: ImageEntry
  namespace: NamespaceSummary
  resolved: ResolvedTarget
}

/** All checks of a launch up to the pods, in order: what it says, whether the caller may, whether its parameters fit, what it aims at. */
export async function planLaunch (context: Context, caller: Principal, request: JobRequest): Promise<LaunchPlan> {
  demandSupported(request)
  checkTarget(request.target)
  const diagnostic = context.catalogue.get(request.diagnostic)
  if (!diagnostic) {
    const known = [...context.catalogue.keys()].join(', ')
    throw new Problem('EPH_DIAGNOSTIC_UNKNOWN', `Cannot launch "${request.diagnostic}": the catalogue has ${known}`)
  }
  const image = findImage(context, request.image ?? 'toolbox')
  await context.authority.demand(caller, right('create', diagnostic.right, request.target.namespace))
  const params = checkParams(diagnostic, request.params)
  const [namespace, resolved] = await Promise.all([
    context.reader.namespace(request.target.namespace),
    // Waited for below: a missing namespace is the better answer.
    context.reader.resolve(request.target).catch((error: Error) => error)
  ])
  if (!namespace) throw new Problem('EPH_NAMESPACE_UNKNOWN', `Cannot launch in namespace "${request.target.namespace}": there is none of this name`)
  if (resolved instanceof Error) throw resolved
  return { diagnostic, params, image, namespace, resolved }
}

export function findImage ({ policy }: Context, name: string): ImageEntry {
  const image = policy.images.find(entry => entry.name === name)
  if (image) return image
  throw new Problem('EPH_IMAGE_UNKNOWN', `Cannot use image "${name}": the operator's list has ${policy.images.map(entry => entry.name).join(', ')}`)
}

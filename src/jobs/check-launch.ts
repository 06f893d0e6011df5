import { checkParams } from '#core/check-params.ts'
import { demandSupported } from '#core/demand-supported.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { JobRequest } from '#core/job.ts'
import type { ImageEntry } from '#core/preflight.ts'
import { right, type Principal } from '#core/principal.ts'
import { checkTarget } from '#core/target.ts'
import type { Context } from './context.ts'
import { demandObjects, demandReadings } from './read-objects.ts'

export interface Checked { diagnostic: AnyDiagnostic, image: ImageEntry, params: Record<string, unknown> }

/**
 * All that can be asked before the target is read, in order: what it says, whether the caller may, whether its parameters fit, and whether
 * the caller may read what they name, and it is there.
 */
export async function checkLaunch (context: Context, caller: Principal, request: JobRequest): Promise<Checked> {
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
  const readings = diagnostic.reads?.(params, request.target.namespace) ?? []
  await demandReadings(context, caller, readings)
  await demandObjects(context, readings)
  return { diagnostic, image, params }
}

export function findImage ({ policy }: Context, name: string): ImageEntry {
  const image = policy.images.find(entry => entry.name === name)
  if (image) return image
  throw new Problem('EPH_IMAGE_UNKNOWN', `Cannot use image "${name}": the operator's list has ${policy.images.map(entry => entry.name).join(', ')}`)
}

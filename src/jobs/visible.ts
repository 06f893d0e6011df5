import { Problem } from '#core/errors.ts'
import type { Job } from '#core/job.ts'
import { right, type Principal } from '#core/principal.ts'
import type { Context } from './context.ts'

const maxNamespaces = 200
const maxParallel = 16

/** The namespaces of a list: those asked for, each demanded; else all (null) or every one where the caller may list. */
export async function visibleNamespaces (context: Context, caller: Principal, asked: string[], verb = 'list'): Promise<string[] | null> {
  const { authority, reader } = context
  if (asked.length > 0) {
    await Promise.all(asked.map(namespace => authority.demand(caller, right(verb, 'jobs', namespace))))
    return asked
  }
  if (await authority.may(caller, right(verb, 'jobs', ''))) return null
  const names = (await reader.namespaces()).map(({ name }) => name)
  if (names.length > maxNamespaces) {
    throw new Problem('EPH_NAMESPACE_REQUIRED',
      `Cannot check ${names.length} namespaces: you may not list in all of them, and more than ${maxNamespaces} are not tried`)
  }
  return await filterAsync(names, namespace => authority.may(caller, right(verb, 'jobs', namespace)))
}

export async function filterAsync<T> (items: T[], keeps: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: boolean[] = []
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      kept[index] = await keeps(items[index]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(maxParallel, items.length) }, lane))
  return items.filter((_, index) => kept[index])
}

/** What the caller may not see does not exist for them. */
export async function demandSeen<T extends { namespace: string }> (
  { authority }: Context, caller: Principal, thing: T | null, what: string
): Promise<T> {
  if (thing && await authority.may(caller, right('get', 'jobs', thing.namespace))) return thing
  throw new Problem('EPH_NOT_FOUND', `Cannot find ${what}: there is none, or you may not see it`)
}

export const isOwn = (caller: Principal, job: Job): boolean =>
  job.requestedBy.username === caller.username && job.requestedBy.uid === caller.uid

/** Who launched a job may always steer it; everybody else needs `update jobs`. */
export async function demandSteering (context: Context, caller: Principal, job: Job): Promise<void> {
  if (!isOwn(caller, job)) await context.authority.demand(caller, right('update', 'jobs', job.namespace))
}

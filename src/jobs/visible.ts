import { Problem } from '#core/errors.ts'
import type { Job } from '#core/job.ts'
import type { Page, PageRequest } from '#core/page.ts'
import { right, type Principal } from '#core/principal.ts'
import { audited, type Attempted } from './audit.ts'
import type { Context } from './context.ts'
import { filterAsync } from './filter-async.ts'

const maxNamespaces = 200

/** The namespaces of a list: those asked for, each demanded; else all (null) or every one where the caller may list. */
export async function visibleNamespaces ({ authority, reader }: Context, caller: Principal, asked: string[]): Promise<string[] | null> {
  const list = (namespace: string) => right('list', 'jobs', namespace)
  if (asked.length > 0) {
    await Promise.all(asked.map(namespace => authority.demand(caller, list(namespace))))
    return asked
  }
  if (await authority.may(caller, list(''))) return null
  const names = (await reader.namespaces()).map(({ name }) => name)
  if (names.length > maxNamespaces) {
    throw new Problem('EPH_NAMESPACE_REQUIRED',
      `Cannot check ${names.length} namespaces: you may not list in all of them, and more than ${maxNamespaces} are not tried`)
  }
  return await filterAsync(names, namespace => authority.may(caller, list(namespace)))
}

type Listed<F> = Omit<F, 'namespaces'> & { namespaces: string[] | null }

/** A list of what the caller may see. */
export function listVisible<T, F extends { namespaces: string[] }> (
  context: Context, what: string, list: (filter: Listed<F>, page: PageRequest) => Promise<Page<T>>
) {
  return (caller: Principal, filter: F, page: PageRequest): Promise<Page<T>> => {
    const attempted = { action: 'list', caller, namespace: filter.namespaces[0] ?? null, object: what }
    return audited(context, attempted, async () =>
      await list({ ...filter, namespaces: await visibleNamespaces(context, caller, filter.namespaces) }, page))
  }
}

/** What the caller may not see does not exist for them. */
export async function demandSeen<T extends { namespace: string }> (
  { authority }: Context, caller: Principal, thing: T | null, attempted: Attempted
): Promise<T> {
  attempted.namespace = thing?.namespace ?? null
  if (thing && await authority.may(caller, right('get', 'jobs', thing.namespace))) return thing
  throw new Problem('EPH_NOT_FOUND', `Cannot find ${attempted.object}: there is none, or you may not see it`)
}

/** A single thing by its id, if the caller may see it. */
export const readVisible = <T extends { namespace: string }>(context: Context, kind: string, find: (id: string) => Promise<T | null>) =>
  (caller: Principal, id: string): Promise<T> =>
    audited(context, { action: 'read', caller, namespace: null, object: `${kind} ${id}` }, async attempted =>
      await demandSeen(context, caller, await find(id), attempted))

export const isOwn = (caller: Principal, { requestedBy: { username, uid, actor } }: Job): boolean =>
  username === caller.username && uid === caller.uid && actor === caller.actor

import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Reviewer } from '#core/ports/cluster.ts'
import type { Right } from '#core/principal.ts'
import { readingRights } from '#core/reading.ts'

const need = (verb: string, resource: string, group = '', subresource?: string): Right =>
  ({ group, resource, verb, namespace: '', ...(subresource ? { subresource } : {}) })

/** What every diagnostic needs: its pod and namespace, a container of ours in it, and a channel. */
const measuring: Right[] = [
  need('get', 'namespaces'), need('get', 'pods'), need('list', 'pods'), need('watch', 'pods'), need('patch', 'pods', '', 'ephemeralcontainers'),
  need('get', 'pods', '', 'exec'), need('create', 'pods', '', 'exec')
]

/** What targets other than pods and label selectors need. */
export const targetRights: Right[] = [
  need('get', 'services'), need('list', 'endpointslices', 'discovery.k8s.io'), need('list', 'replicasets', 'apps'), need('get', 'jobs', 'batch'),
  ...['deployments', 'statefulsets', 'daemonsets', 'replicasets'].map(resource => need('get', resource, 'apps'))
]

/** What a diagnostic needs of our account; which objects it reads for its caller depends on the parameters, so all of them count. */
export const rightsFor = ({ reads }: AnyDiagnostic): Right[] =>
  reads ? [...measuring, ...readingRights.filter(({ resource }) => resource !== 'pods')] : measuring

const nameOf = ({ verb, group, resource, subresource }: Right) =>
  `${verb} ${group === '' ? '' : `${group}/`}${resource}${subresource ? `/${subresource}` : ''}`

/** Namespaces that are asked about one by one at the most. */
const mostNamespaces = 20
/** Reviews under way at the same time. */
const atOnce = 8

async function inTurns<T, R> (items: T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = []
  for (let start = 0; start < items.length; start += atOnce) answers.push(...await Promise.all(items.slice(start, start + atOnce).map(ask)))
  return answers
}

export interface AccountRights {
  /** Namespaces that were asked about one by one. */
  namespaces: number
  /** Those of the given rights that our account lacks; where it has one in some namespaces, in how many it lacks. */
  missing (rights: Right[]): string[]
}

/**
 * Asks what our account may do: in the whole cluster, and what it may not do there in its namespaces. Namespaces are counted, not named:
 * whoever asks need not know them.
 */
export async function askAccountRights (reviewer: Reviewer, rights: Right[], namespaces: string[]): Promise<AccountRights> {
  const distinct = [...new Map(rights.map(right => [nameOf(right), right])).values()]
  const everywhere = await inTurns(distinct, right => reviewer.selfAllowed(right))
  const lacking = distinct.filter((_, nth) => !everywhere[nth])
  const asked = lacking.length > 0 ? namespaces.slice(0, mostNamespaces) : []
  const denied = new Map<string, number>()
  await inTurns(lacking.flatMap(right => asked.map(namespace => ({ ...right, namespace }))), async right => {
    if (!await reviewer.selfAllowed(right)) denied.set(nameOf(right), (denied.get(nameOf(right)) ?? 0) + 1)
  })
  const missing = new Map<string, string>()
  for (const right of lacking) {
    const name = nameOf(right)
    const count = denied.get(name) ?? 0
    if (asked.length === 0 || count === asked.length) missing.set(name, name)
    else if (count > 0) missing.set(name, `${name} (in ${count} of ${asked.length} namespaces)`)
  }
  return { namespaces: asked.length, missing: rights => rights.flatMap(right => missing.get(nameOf(right)) ?? []) }
}

import { Problem } from '#core/errors.ts'
import { perObject } from '#core/per-object.ts'
import type { Reviewer } from '#core/ports/cluster.ts'
import type { Context } from './context.ts'
import { createRecent } from './recent.ts'

/** Launches that come together ask once; a rule that an operator adds counts soon. */
const lifeMs = 10_000
const answersOf = perObject((_: Reviewer) => createRecent<boolean>(lifeMs))

/**
 * Rejects with EPH_ACCOUNT_FORBIDDEN where our account may open no channel: a dry run of the injection does not show it, and a container
 * that was injected in vain can never be removed.
 */
export async function demandExec ({ reviewer }: Pick<Context, 'reviewer'>, namespace: string): Promise<void> {
  const exec = { group: '', resource: 'pods', subresource: 'exec', verb: 'get', namespace }
  if (await answersOf(reviewer).of(namespace, () => reviewer.selfAllowed(exec))) return
  throw new Problem('EPH_ACCOUNT_FORBIDDEN', `Cannot open a channel in namespace "${namespace}": the account of Ephemera lacks the rule ` +
    `{apiGroups: [""], resources: ["pods/exec"], verbs: ["get"]} in namespace "${namespace}"`)
}

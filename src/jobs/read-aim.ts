import { Problem } from '#core/errors.ts'
import type { ClusterReader, NamespaceSummary, ResolvedTarget } from '#core/ports/cluster.ts'
import type { Target } from '#core/target.ts'

export interface Aim { namespace: NamespaceSummary, resolved: ResolvedTarget }

/** The pods that a target means now, and their namespace. */
export async function readAim (
  reader: ClusterReader, target: Target, readNamespace: (name: string) => Promise<NamespaceSummary | null>
): Promise<Aim> {
  const [namespace, resolved] = await Promise.all([
    readNamespace(target.namespace),
    // Thrown below: a missing namespace is the better answer.
    reader.resolve(target).catch((error: Error) => error)
  ])
  if (!namespace) throw new Problem('EPH_NAMESPACE_UNKNOWN', `Cannot launch in namespace "${target.namespace}": there is none of this name`)
  if (resolved instanceof Error) throw resolved
  return { namespace, resolved }
}

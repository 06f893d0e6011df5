import type { AnyDiagnostic } from '#core/diagnostic.ts'
import { Problem } from '#core/errors.ts'
import type { NamespaceSummary } from '#core/ports/cluster.ts'
import type { Policy } from '#core/preflight.ts'
import { isOurs, ownerAnnotation, type PodSummary } from '#core/target.ts'

/** The container the question is about: the one asked for, the annotated default, or the first. */
export function chooseContainer (pod: PodSummary, asked: string | undefined): string {
  const names = pod.containers.map(({ name }) => name)
  const wanted = asked ?? pod.annotations['kubectl.kubernetes.io/default-container']
  if (wanted !== undefined && names.includes(wanted)) return wanted
  if (asked === undefined && names[0] !== undefined) return names[0]
  throw new Problem('EPH_CONTAINER_UNKNOWN', `Cannot look at container "${wanted}" of pod "${pod.name}": it has ${names.map(name => `"${name}"`).join(', ')}`)
}

/** Refuses a pod that cannot or must not be looked into, whatever session would be used. */
export function demandFitting (pod: PodSummary, namespace: NamespaceSummary, diagnostic: AnyDiagnostic, policy: Policy): void {
  const cannot = (why: string) => `Cannot look into pod "${pod.namespace}/${pod.name}": ${why}`
  if (policy.refusedNamespaces.includes(pod.namespace)) {
    throw new Problem('EPH_OWNER_REFUSED', cannot('the operator allows no diagnostics in this namespace'))
  }
  // Both owners' words hold: neither takes back what the other refuses.
  for (const { annotations } of [pod, namespace]) demandOwner(annotations[ownerAnnotation], diagnostic, cannot)
  if (pod.deleting || namespace.deleting) throw new Problem('EPH_POD_DELETING', cannot('it is being deleted'))
  if (pod.static) throw new Problem('EPH_POD_STATIC', cannot('it is a mirror of a static pod of its node'))
  if (pod.phase !== 'Running') throw new Problem('EPH_POD_NOT_RUNNING', cannot(`its phase is ${pod.phase}`))
  if (pod.os !== 'linux') throw new Problem('EPH_OS_UNSUPPORTED', cannot(`it runs on ${pod.os}`))
  if (pod.hostNetwork && !policy.allowHostNetwork) throw new Problem('EPH_HOST_NETWORK', cannot('it uses the network of its node'))
  if (pod.hostPID && !policy.allowHostPid) throw new Problem('EPH_HOST_PID', cannot('it sees all processes of its node'))
}

function demandOwner (word: string | undefined, diagnostic: AnyDiagnostic, cannot: (why: string) => string): void {
  if (word === undefined || word === 'all') return
  if (word === 'noPayload' && !diagnostic.payload) return
  // An unknown word is read as "deny": whoever wrote it wanted less than everything.
  const what = word === 'noPayload' ? 'no diagnostics that may see payload' : 'no diagnostics'
  throw new Problem('EPH_OWNER_REFUSED', cannot(`the annotation ${ownerAnnotation} allows ${what}`))
}

export const ourContainers = (pod: PodSummary) => pod.ephemeral.filter(({ name }) => isOurs(name))

/** Refuses a new container where the pod has had as many of ours as it may ever get. */
export function demandBudget (pod: PodSummary, { budget }: Policy): void {
  const ours = ourContainers(pod)
  if (ours.length < budget) return
  const list = ours.map(({ name, running, exitReason }) => `${name} (${running ? 'running' : exitReason ?? 'ended'})`).join(', ')
  throw new Problem('EPH_BUDGET_EXHAUSTED', `Cannot add a container to pod "${pod.name}": it has ${ours.length} of ${budget} already: ${list}`)
}

import { Problem } from '#core/errors.ts'
import type { ContainerRequest, Injector } from '#core/ports/cluster.ts'
import { securityContexts } from '#core/profile.ts'
import { isOurs, type PodSummary } from '#core/target.ts'
import type { Api } from './api.ts'
import { checkContainer, checkNamespace, checkObject } from './names.ts'
import { readPod } from './read-pod.ts'
import { repeat } from './repeat.ts'

/** For an injection with its repetitions: less than the lease of whoever injects. */
const withinMs = 25_000

export const holdCommand = ['/ephemera/runner', 'hold']

/** The ephemeral container of a request, whole: an admission policy compares it field by field. */
export function ephemeralContainer ({ name, image, profile, sharedContainer }: ContainerRequest) {
  return {
    name,
    image,
    command: holdCommand,
    imagePullPolicy: 'IfNotPresent',
    securityContext: securityContexts[profile],
    ...(sharedContainer === null ? {} : { targetContainerName: sharedContainer })
  }
}

export function createInjector (api: Api): Injector {
  async function patch (pod: PodSummary, container: ContainerRequest, dryRun: boolean, signal?: AbortSignal): Promise<void> {
    checkNamespace(pod.namespace)
    checkObject(pod.name)
    if (!isOurs(container.name)) throw new Problem('EPH_INVALID_REQUEST', `Cannot inject "${container.name}": it is no name of ours`)
    if (container.sharedContainer !== null) checkContainer(container.sharedContainer)
    const where = `"${pod.namespace}/${pod.name}"`
    const doing = dryRun ? `try profile ${container.profile} in pod ${where}` : `inject into pod ${where}`
    const request = {
      namespace: pod.namespace,
      name: pod.name,
      // The UID is a precondition: a pod that was recreated under the same name is refused with 409.
      body: { metadata: { uid: pod.uid }, spec: { ephemeralContainers: [ephemeralContainer(container)] } },
      ...(dryRun ? { dryRun: 'All' } : {})
    }
    try {
      await repeat(async attempts => {
        // What was answered with an error, or not at all, may have been done.
        if (attempts > 1 && !dryRun && await isInjected(pod, container, signal)) return
        await api.call(doing, options => api.core.patchNamespacedPodEphemeralcontainers(request, options), { signal, isPatch: true })
      }, { withinMs, signal, isWorth: () => !api.isAway })
    } catch (error) {
      throw forInjection(doing, error)
    }
  }

  async function isInjected ({ namespace, name, uid }: PodSummary, container: ContainerRequest, signal?: AbortSignal): Promise<boolean> {
    const pod = await readPod(api, namespace, name, signal)
    return pod?.metadata?.uid === uid && (pod.spec?.ephemeralContainers ?? []).some(({ name }) => name === container.name)
  }

  return {
    dryRun: (pod, container, signal) => patch(pod, container, true, signal),
    inject: (pod, container, signal) => patch(pod, container, false, signal)
  }
}

function forInjection (doing: string, error: unknown): unknown {
  if (!(error instanceof Problem) || error.code !== 'EPH_NOT_FOUND') return error
  return /could not find the requested resource/.test(error.message)
    ? new Problem('EPH_EPHEMERAL_UNSUPPORTED', `Cannot ${doing}: the cluster has no ephemeral containers`, { cause: error })
    : new Problem('EPH_POD_GONE', `Cannot ${doing}: it no longer exists`, { cause: error, effect: 'none' })
}

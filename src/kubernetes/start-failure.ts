import type { V1ContainerState, V1Pod } from '@kubernetes/client-node'
import { Problem } from '#core/errors.ts'
import type { ContainerPlace } from '#core/ports/channel.ts'

const pullReasons = new Set([
  'ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError', 'RegistryUnavailable', 'SignatureValidationFailed'
])
const createReasons = new Set([
  'CreateContainerConfigError', 'CreateContainerError', 'RunContainerError', 'PreCreateHookError', 'PreStartHookError', 'PostStartHookError'
])

/** Whether these words of kubelet or runtime say that our program is not in the image. */
export const lacksRunner = (words: string): boolean =>
  words.includes('/ephemera/runner') && /no such file or directory|executable file not found|not a directory/.test(words)

export const withoutRunner = (container: string, words: string): Problem =>
  new Problem('EPH_IMAGE_WITHOUT_RUNNER', `Cannot use container "${container}": /ephemera/runner is not in its image (${words.slice(0, 300)})`)

/** What this status says of a container that we wait for: running, still on its way (null), or why it never will. Pure. */
export function startState (pod: V1Pod, place: ContainerPlace): 'running' | Problem | null {
  const cannot = `Cannot open a channel to "${place.namespace}/${place.pod}"`
  if (pod.metadata?.uid !== place.podUid) return new Problem('EPH_POD_GONE', `${cannot}: the pod was replaced`, { effect: 'none' })
  const phase = pod.status?.phase
  if (phase === 'Succeeded' || phase === 'Failed') {
    return new Problem('EPH_POD_GONE', `${cannot}: the pod has ended (${pod.status?.reason ?? phase})`, { effect: 'none' })
  }
  const state = pod.status?.ephemeralContainerStatuses?.find(({ name }) => name === place.container)?.state
  return state === undefined ? null : judgeState(state, place.container)
}

function judgeState ({ running, waiting, terminated }: V1ContainerState, container: string): 'running' | Problem | null {
  if (running) return 'running'
  const reason = waiting?.reason ?? terminated?.reason ?? ''
  const words = [reason, waiting?.message ?? terminated?.message].filter(Boolean).join(': ')
  if (lacksRunner(words)) return withoutRunner(container, words)
  if (pullReasons.has(reason)) return new Problem('EPH_IMAGE_PULL', `Cannot start container "${container}": ${words.slice(0, 1000)}`)
  if (createReasons.has(reason)) return new Problem('EPH_CONTAINER_NOT_STARTED', `Cannot start container "${container}": ${words.slice(0, 1000)}`)
  if (terminated) {
    const state = `it has ended with ${terminated.signal ? `signal ${terminated.signal}` : `exit code ${terminated.exitCode}`} (${words.slice(0, 1000)})`
    return new Problem('EPH_CONTAINER_NOT_STARTED', `Cannot use container "${container}": ${state}`)
  }
  return null
}

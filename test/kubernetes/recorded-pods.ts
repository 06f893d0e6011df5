import { readFileSync } from 'node:fs'
import type { V1ContainerState, V1Pod } from '@kubernetes/client-node'

const read = (name: string): V1Pod => JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8'))

/** A pod with four containers of ours: an image that cannot be pulled (a), one without runner (b), a living one (c), no image name (d). */
export const running = (): V1Pod => read('pod-running')
export const pending = (): V1Pod => read('pod-pending')

export const recorded = (letter: string): string => `ephemera-${letter.repeat(32)}`

/** The running pod with this change. */
export function changed (change: (pod: V1Pod & { metadata: object, spec: object, status: object }) => void): V1Pod {
  const pod = running() as Parameters<typeof change>[0]
  change(pod)
  return pod
}

/** The running pod whose container c is in this state. */
export const withState = (state: V1ContainerState): V1Pod => changed(({ status }) => {
  status.ephemeralContainerStatuses!.find(({ name }) => name === recorded('c'))!.state = state
})

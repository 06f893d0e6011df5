import type { PreflightPod } from '#core/preflight.ts'
import type { PodSummary } from '#core/target.ts'
import { registryOf } from './registry-of.ts'

type Warning = PreflightPod['warnings'][number]

/** What the larger of our tools are seen to use. */
const toolBytes = 64 << 20
const mebibytes = (bytes: number) => `${Math.floor(bytes / (1 << 20))} MiB`

interface Plan {
  pod: PodSummary
  /** Reference of the image. */
  image: string
  /** Whether a container would be added. */
  isNew: boolean
  memory: PreflightPod['memory']
}

/** What does not prevent a launch, but should be known before it. Pure. */
export function warningsFor ({ pod, image, isNew, memory: { nodeLeftBytes, podLimitBytes } }: Plan): Warning[] {
  const warnings: Warning[] = []
  const warn = (code: string, message: string) => { warnings.push({ code, message }) }
  if (pod.shareProcessNamespace) {
    warn('ISOLATION_SHARED', 'The pod shares its process namespace: the application can see our arguments, and with our uid or as root write into our outputs')
  }
  const registry = registryOf(image)
  if (isNew && !mayPull(pod, registry)) {
    warn('PULL_SECRETS', `The image is pulled from ${registry} with the pod's own pull secrets, ${pod.pullSecrets.length === 0
      ? 'of which it has none'
      : 'of which none is named after it'}, and nothing else of the pod comes from there: should the registry ask ` +
      'for a login, the container cannot start, and still counts against the budget')
  }
  if (podLimitBytes !== null && podLimitBytes < toolBytes) {
    warn('MEMORY_HEADROOM', `The pod may use ${mebibytes(podLimitBytes)} in all, which a tool shares with the application: one that needs more is killed`)
  }
  if (nodeLeftBytes !== null && nodeLeftBytes < toolBytes) {
    const left = nodeLeftBytes > 0 ? `only ${mebibytes(nodeLeftBytes)}` : 'no memory'
    warn('MEMORY_HEADROOM', `The pods of the node leave ${left} of what it can give: under pressure our tool is killed first`)
  }
  return warnings
}

/** What secrets hold is not ours to read: their names, and what the pod has pulled before, are what there is to go by. */
const mayPull = ({ pullSecrets, containers, ephemeral }: PodSummary, registry: string): boolean =>
  pullSecrets.some(name => name.includes(registry)) || [...containers, ...ephemeral].some(({ image }) => registryOf(image) === registry)

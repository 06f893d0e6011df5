import { execFileSync } from 'node:child_process'

export interface DemoCluster {
  namespace: string
  pod: string
  /** Names to resolve there. */
  names: string[]
  /** Where the demo makes traffic while it captures; null: what flows by itself. */
  address: string | null
  /** What the service needs to know of this cluster. */
  environment: Record<string, string>
}

const ask = (...args: string[]) => execFileSync('bash', ['lab/lab.sh', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()

/** Of our containers in a pod of the lab; a service that begins anew knows none of them, and adds its own. */
const mostContainers = 7

/** Replaces the pod behind shop/web of the lab where it has got many of our containers. */
export function renewSample (): void {
  const kubectl = (...args: string[]) =>
    execFileSync(`${ask('bin')}/kubectl`, ['--kubeconfig', ask('kubeconfig'), '-n', 'shop', ...args], { encoding: 'utf8' }).trim()
  const containers = kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].spec.ephemeralContainers[*].name}')
  if (containers.split(' ').length <= mostContainers) return
  kubectl('delete', 'pods', '-l', 'app=web')
  kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')
}

/** The pod behind shop/web of the lab. */
export function clusterOfLab (): DemoCluster {
  const kubeconfig = ask('kubeconfig')
  const images = JSON.parse(ask('images')) as Record<string, string>
  renewSample()
  const pods = execFileSync(`${ask('bin')}/kubectl`, [
    '--kubeconfig', kubeconfig, 'get', 'pods', '-n', 'shop', '-l', 'app=web', '--field-selector=status.phase=Running',
    '-o', 'jsonpath={.items[0].metadata.name} {.items[0].status.podIP}'
  ], { encoding: 'utf8' })
  const [pod, address] = pods.trim().split(' ')
  if (!pod || !address) throw new Error('The lab has no running pod shop/web: see npm run lab:status')
  return {
    namespace: 'shop',
    pod,
    names: ['orders.shop.svc.cluster.local', 'no-such-service.shop.svc.cluster.local'],
    address,
    environment: { EPHEMERA_KUBECONFIG: kubeconfig, EPHEMERA_IMAGES: `toolbox=${images.toolbox}`, EPHEMERA_CLUSTER: 'lab' }
  }
}

/** The toolbox image of this checkout, built where it is missing. */
export function builtToolbox (): string {
  try {
    const image = ask('image', 'toolbox')
    console.log(`The toolbox image is ${image}; the cluster must be able to pull it (--image names another)`)
    return image
  } catch (error) {
    throw new Error('The toolbox image cannot be built here (see above): name one that the cluster can pull with --image repository@sha256:…', { cause: error })
  }
}

/** A cluster of the user's, by the kubeconfig that kubectl would use. */
export function clusterOfUser (named: { context: string, namespace: string, pod: string, image: string }): DemoCluster {
  const { context, namespace, pod, image } = named
  return {
    namespace,
    pod,
    names: ['kubernetes.default.svc.cluster.local'],
    address: null,
    environment: { EPHEMERA_CONTEXT: context, EPHEMERA_IMAGES: `toolbox=${image}`, EPHEMERA_CLUSTER: context }
  }
}

import { existsSync } from 'node:fs'
import { KubeConfig } from '@kubernetes/client-node'

export interface KubeConfigOptions {
  /** Path of a kubeconfig file. Absent: the ServiceAccount inside a cluster, else KUBECONFIG or ~/.kube/config. */
  kubeconfig?: string | undefined
  /** Name of a context of the file; absent: its current one. */
  context?: string | undefined
}

const tokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/** Throws where there is no kubeconfig, it cannot be read, or it lacks the context: the library would go on with localhost:8080. */
export function loadKubeConfig ({ kubeconfig, context }: KubeConfigOptions = {}): KubeConfig {
  const config = new KubeConfig()
  if (kubeconfig !== undefined) readFile(config, kubeconfig)
  else if (context === undefined && process.env.KUBERNETES_SERVICE_HOST && existsSync(tokenFile)) config.loadFromCluster()
  else config.loadFromDefault()
  if (context !== undefined) config.setCurrentContext(context)
  const name = config.getCurrentContext()
  if (!config.getContextObject(name)) {
    const known = config.getContexts().map(known => known.name).join(', ') || 'none'
    throw new Error(`Cannot use the context "${name}": the kubeconfig has ${known}`)
  }
  if (!config.getCurrentCluster()) throw new Error(`Cannot use the context "${name}": its cluster is not in the kubeconfig`)
  if (name === 'loaded-context' && kubeconfig === undefined) {
    throw new Error('Cannot find a cluster: there is no ServiceAccount and no kubeconfig')
  }
  return config
}

function readFile (config: KubeConfig, path: string): void {
  try {
    config.loadFromFile(path)
  } catch (error) {
    throw new Error(`Cannot read the kubeconfig "${path}": ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

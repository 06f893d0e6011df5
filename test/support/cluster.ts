import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { Channel, ContainerPlace, RunEnd, RunRequest } from '#core/ports/channel.ts'
import type { ContainerRequest } from '#core/ports/cluster.ts'
import type { ProfileName } from '#core/profile.ts'
import { containerNameOf, type PodSummary } from '#core/target.ts'
import { connectCluster, type Cluster, type ClusterOptions } from '../../src/kubernetes/cluster.ts'
import { loadKubeConfig } from '../../src/kubernetes/kube-config.ts'
import { images, kubeconfig } from './lab.ts'

export interface LabClusterOptions extends Omit<ClusterOptions, 'kubeconfig' | 'context'> {
  /** Port on loopback through which the API server is reached instead: a fault proxy's. */
  port?: number
}

/** The lab as the service sees it; closed with the test. */
export function labCluster (t: Test, { port, ...options }: LabClusterOptions = {}): Cluster {
  const config = loadKubeConfig({ kubeconfig: process.env.EPHEMERA_LAB_KUBECONFIG ?? kubeconfig() })
  if (port !== undefined) {
    // The certificate of an API server names the service `kubernetes`, but hardly ever loopback.
    config.clusters = config.clusters.map(cluster => ({ ...cluster, server: `https://127.0.0.1:${port}`, tlsServerName: 'kubernetes' }))
  }
  const cluster = connectCluster(config, options)
  t.teardown(() => cluster.close())
  return cluster
}

/** Where the lab's API server listens: what a fault proxy stands in front of. */
export function labServer (): { host: string, port: number } {
  const config = loadKubeConfig({ kubeconfig: process.env.EPHEMERA_LAB_KUBECONFIG ?? kubeconfig() })
  const { hostname, port } = new URL(config.getCurrentCluster()!.server)
  return { host: hostname, port: Number(port) }
}

/** A container that nobody has asked for yet; image: a name of the lab's. */
export const newContainer = (image = 'toolbox', profile: ProfileName = 'restricted'): ContainerRequest =>
  ({ name: containerNameOf(randomUUID()), image: images()[image] ?? image, profile, sharedContainer: null })

export const placeOf = (pod: PodSummary, container: ContainerRequest): ContainerPlace =>
  ({ namespace: pod.namespace, pod: pod.name, podUid: pod.uid, node: pod.node, container: container.name })

export async function findPod (cluster: Cluster, namespace: string, name: string): Promise<PodSummary> {
  const pod = await cluster.reader.pod(namespace, name)
  if (!pod) throw new Error(`Cannot find pod "${namespace}/${name}" in the lab`)
  return pod
}

/** Injects into the pod and opens a channel. */
export async function openIn (
  cluster: Cluster, pod: PodSummary, container = newContainer()
): Promise<{ channel: Channel, place: ContainerPlace }> {
  await cluster.injector.inject(pod, container)
  const place = placeOf(pod, container)
  return { channel: await cluster.channels.open(place, AbortSignal.timeout(30_000)), place }
}

/** One run to its end, with its outputs as text. */
export async function runOn (
  channel: Channel, argv: string[], rest: Partial<RunRequest> = {}
): Promise<RunEnd & { out: string, err: string }> {
  const out: Buffer[] = []
  const err: Buffer[] = []
  const run = channel.run({ id: randomUUID(), argv, seconds: 30, ...rest }, {
    stdout (chunk) { out.push(Buffer.from(chunk)) },
    stderr (chunk) { err.push(Buffer.from(chunk)) }
  })
  const end = await run.ended
  return { ...end, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }
}

import type { KubeConfig } from '@kubernetes/client-node'
import type { Channels } from '#core/ports/channel.ts'
import type { ClusterReader, Injector, Reviewer } from '#core/ports/cluster.ts'
import type { Turns } from '#core/ports/turns.ts'
import { createApi } from './api.ts'
import { channelTimes, openChannel, type ChannelTimes } from './channel.ts'
import { createChannels, poolLimits, type PoolLimits } from './channels.ts'
import { openExecSocket } from './exec-socket.ts'
import { createInjector } from './injector.ts'
import { loadKubeConfig, type KubeConfigOptions } from './kube-config.ts'
import { openEventually, openingTimes, serveCommand, type OpeningTimes } from './open-channel.ts'
import { performPostMortem } from './post-mortem.ts'
import { createReader } from './reader.ts'
import { createReviewer } from './reviewer.ts'

export interface ClusterOptions extends KubeConfigOptions {
  /** Limit of each call to the API server. */
  requestTimeoutMs?: number
  /** Called with the reason when the API server is taken for away, and with null when it answers again. */
  changed?: (why: unknown) => void
  channelTimes?: Partial<ChannelTimes>
  openingTimes?: Partial<OpeningTimes>
  poolLimits?: Partial<PoolLimits>
  /** By node, where other processes open channels too. */
  turns?: Turns
}

export interface Cluster {
  reader: ClusterReader
  injector: Injector
  reviewer: Reviewer
  channels: Channels
  /** Rejects with EPH_CLUSTER_UNAVAILABLE while the API server is away. */
  check (): Promise<void>
  close (): Promise<void>
}

/** Everything of a Kubernetes cluster; opens no connection yet. Rejects where there is no usable kubeconfig. */
export async function createCluster (options: ClusterOptions = {}): Promise<Cluster> {
  return connectCluster(loadKubeConfig(options), options)
}

export function connectCluster (config: KubeConfig, options: Omit<ClusterOptions, keyof KubeConfigOptions> = {}): Cluster {
  const api = createApi(config, { timeoutMs: options.requestTimeoutMs, changed: options.changed })
  const times = { ...channelTimes, ...options.channelTimes }
  const channels = createChannels(
    (place, changed, signal) => openEventually(api, place, signal => openChannel(
      handlers => openExecSocket(config, place, serveCommand, handlers, signal), changed, times, signal
    ), signal, { ...openingTimes, ...options.openingTimes }),
    (place, signal) => performPostMortem(api, place, signal),
    { ...poolLimits, ...options.poolLimits },
    options.turns
  )
  return {
    reader: createReader(api),
    injector: createInjector(api),
    reviewer: createReviewer(api),
    channels,
    check: api.check,
    async close () {
      await channels.close()
      await api.close()
    }
  }
}

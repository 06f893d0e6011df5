import { join } from 'node:path'
import type { Catalogue } from '#core/diagnostic.ts'
import type { Bucket } from '#core/ports/bucket.ts'
import type { Wake } from '#core/ports/wake.ts'
import { createAuthority } from '#auth/authorize.ts'
import type { HealthChecks } from '#http/health.ts'
import type { Context, Log } from '#jobs/context.ts'
import { createNodeTurns } from '#jobs/node-turns.ts'
import { connectCluster } from '#kubernetes/cluster.ts'
import { loadKubeConfig } from '#kubernetes/kube-config.ts'
import { createNotifyWake } from '#queue/notify-wake.ts'
import { createRedisWake } from '#queue/redis-wake.ts'
import { createDatabase, type PostgresDatabase } from '#storage/database.ts'
import { startEmbeddedPostgres } from '#storage/embedded-postgres.ts'
import { createFileBucket } from '#storage/file-bucket.ts'
import { createS3Bucket } from '#storage/s3-bucket.ts'
import type { Config } from './config.ts'
import type { Changed } from './outages.ts'

export interface Resources {
  context: Context
  /** Dependencies by name. */
  checks: HealthChecks
  /** In reverse order of opening. */
  close (): Promise<void>
}

export interface ResourcesOptions {
  config: Config
  catalogue: Catalogue
  log: Log
  count (name: string): void
  /** Hears of a dependency, by its name, that it is away or back. */
  outages (dependency: string): Changed
}

/** Opens everything the service works with; rejects, with nothing left open, where a part cannot be opened. */
export async function openResources ({ config, catalogue, log, count, outages }: ResourcesOptions): Promise<Resources> {
  const { environment } = config
  const opened: (() => Promise<void>)[] = []
  const close = async () => { for (const end of opened.splice(0).reverse()) await end() }

  async function openDatabase (): Promise<PostgresDatabase> {
    let url = environment.DATABASE_URL
    let isClosing = false
    if (url === undefined) {
      const embedded = await startEmbeddedPostgres({ folder: join(environment.EPHEMERA_DATA_DIR, 'postgres') })
      opened.push(async () => {
        isClosing = true
        await embedded.stop()
      })
      // Met by nobody: without its database the process must end, and be started again by whoever watches it.
      embedded.ended.then(() => { if (!isClosing) throw new Error('The embedded Postgres has ended by itself') })
      url = embedded.url
    }
    const database = await createDatabase({
      url,
      directUrl: environment.DATABASE_DIRECT_URL ?? url,
      cluster: environment.EPHEMERA_CLUSTER,
      leaseSeconds: environment.EPHEMERA_LEASE_SECONDS,
      connections: environment.EPHEMERA_DATABASE_CONNECTIONS,
      limits: {
        caller: environment.EPHEMERA_LIMIT_CALLER,
        namespace: environment.EPHEMERA_LIMIT_NAMESPACE,
        node: environment.EPHEMERA_LIMIT_NODE,
        captures: environment.EPHEMERA_LIMIT_CAPTURES,
        queued: environment.EPHEMERA_LIMIT_QUEUED
      },
      changed: outages('database')
    })
    opened.push(() => database.close())
    return database
  }

  function openBucket (): Bucket {
    const { S3_BUCKET: name, S3_ENDPOINT: endpoint, S3_REGION: region, S3_PREFIX: prefix, EPHEMERA_DATA_DIR: folder } = environment
    if (name === undefined) return createFileBucket({ folder: join(folder, 'artifacts') })
    const bucket = createS3Bucket({ bucket: name, endpoint, region, prefix, changed: outages('bucket') })
    opened.push(async () => { bucket.close() })
    return bucket
  }

  function openWake (database: PostgresDatabase): Wake {
    const { REDIS_URL: url } = environment
    const wake = url === undefined ? createNotifyWake(database.notifications) : createRedisWake({ url, log, changed: outages('queue') })
    opened.push(() => wake.close())
    return wake
  }

  try {
    const { EPHEMERA_KUBECONFIG: kubeconfig, EPHEMERA_CONTEXT: wanted, EPHEMERA_LIMIT_OPENINGS: width } = environment
    const kubeConfig = loadKubeConfig({ kubeconfig, context: wanted })
    const database = await openDatabase()
    const turns = createNodeTurns({ leases: database.leases, width, log })
    const cluster = connectCluster(kubeConfig, { turns, poolLimits: { openingsPerNode: width }, changed: outages('cluster') })
    opened.push(() => cluster.close())
    const bucket = openBucket()
    const wake = openWake(database)
    const { reader, injector, reviewer, channels } = cluster
    const authority = createAuthority({ reviewer, count })
    const now = () => performance.now()
    const policy = {
      cluster: environment.EPHEMERA_CLUSTER,
      images: config.images,
      budget: environment.EPHEMERA_BUDGET,
      allowHostNetwork: environment.EPHEMERA_ALLOW_HOST_NETWORK,
      allowHostPid: environment.EPHEMERA_ALLOW_HOST_PID,
      namespaces: config.namespaces,
      refusedNamespaces: config.refusedNamespaces,
      concurrency: environment.EPHEMERA_CONCURRENCY,
      quotas: {
        runningPods: environment.EPHEMERA_LIMIT_CALLER,
        runningPodsInNamespace: environment.EPHEMERA_LIMIT_NAMESPACE,
        queuedPods: environment.EPHEMERA_LIMIT_QUEUED
      },
      stallSeconds: environment.EPHEMERA_STALL_SECONDS,
      shutdownGraceSeconds: environment.EPHEMERA_SHUTDOWN_GRACE_SECONDS
    }
    return {
      context: { database, bucket, reader, injector, reviewer, channels, authority, wake, turns, catalogue, policy, log, count, now },
      checks: {
        database: { check: () => database.check(), needed: true },
        bucket: { check: () => bucket.check(), needed: false },
        queue: { check: () => wake.check(), needed: false },
        cluster: { check: () => cluster.check(), needed: true }
      },
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

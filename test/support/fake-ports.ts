import { Problem } from '#core/errors.ts'
import type { Catalogue } from '#core/diagnostic.ts'
import type { EndpointSummary, NetworkPolicySummary, ServiceSummary } from '#core/objects.ts'
import type { Authority } from '#core/ports/authority.ts'
import type { ClusterReader, ContainerRequest, Injector, NamespaceSummary, Reviewer } from '#core/ports/cluster.ts'
import type { Bucket } from '#core/ports/bucket.ts'
import type { Wake } from '#core/ports/wake.ts'
import type { Policy } from '#core/preflight.ts'
import type { Principal, Right } from '#core/principal.ts'
import type { PodSummary } from '#core/target.ts'
import type { Context } from '#jobs/context.ts'
import { createFakeChannels } from './fake-channels.ts'
import { createFakeDatabase } from './fake-database.ts'
import { examplePod } from './recorded-probe.ts'

export const digest = (letter: string) => `sha256:${letter.repeat(64)}`
export const reference = (letter: string) => `registry.example/toolbox@${digest(letter)}`

export const examplePolicy: Policy = {
  cluster: 'local',
  images: [{ name: 'toolbox', references: [reference('a'), reference('b')] }],
  budget: 3,
  allowHostNetwork: false,
  allowHostPid: false,
  namespaces: [],
  refusedNamespaces: ['kube-system'],
  quotas: { runningPods: 10, runningPodsInNamespace: 20, queuedPods: 2000 },
  concurrency: 64,
  stallSeconds: 120,
  shutdownGraceSeconds: 1
}

export const exampleNamespace = (rest: Partial<NamespaceSummary> = {}): NamespaceSummary =>
  ({ name: 'shop', labels: {}, annotations: {}, deleting: false, ...rest })

export const app = { name: 'app', image: 'web:1', ports: [], running: true, memoryLimitBytes: null }
export const caller: Principal = { username: 'ada', uid: 'u-1', groups: [], authMethod: 'kubernetes', actor: null, extra: {} }
export const nameOf = ({ verb, resource, namespace }: Right) => `${verb} ${resource} ${namespace}`

const inNamespace = <T extends { namespace: string }>(objects: T[], namespace: string | null): T[] =>
  objects.filter(object => namespace === null || object.namespace === namespace)

/** Pods that take ephemeral containers, and who may do what. */
function createFakeCluster () {
  const cluster = {
    pods: [examplePod({ containers: [app] })],
    namespaces: [exampleNamespace()],
    services: [] as ServiceSummary[],
    /** By namespace/service. */
    endpoints: {} as Record<string, EndpointSummary[]>,
    policies: [] as NetworkPolicySummary[],
    /** Throws what the API server answers when the owner of an address is looked for there. */
    lookUp: async (_namespace: string | null): Promise<void> => {},
    injected: [] as ContainerRequest[],
    dryRuns: [] as ContainerRequest[],
    /** Throws what the API server answers to an injection or its dry run. */
    admit: async (_container: ContainerRequest, _dryRun: boolean): Promise<void> => {},
    /** Rights that nobody has, as nameOf() says them. */
    denied: new Set<string>(),
    /** How often was asked past the cache. */
    freshReviews: 0
  }
  const podOf = (namespace: string, name: string): PodSummary | null =>
    cluster.pods.find(pod => pod.namespace === namespace && pod.name === name) ?? null

  const reader: ClusterReader = {
    info: async () => ({ version: 'v1.34.4', ephemeralContainers: true }),
    namespace: async name => cluster.namespaces.find(namespace => namespace.name === name) ?? null,
    namespaces: async () => cluster.namespaces,
    pod: async (namespace, name) => structuredClone(podOf(namespace, name)),
    admission: async () => ({ policies: [], unread: [] }),
    network: async () => ({ names: ['Cilium'], signs: ['group cilium.io'], unread: [] }),
    nodeMemory: async () => ({ allocatableBytes: 4 * 2 ** 30, requestedBytes: 2 ** 30 }),
    pods: async namespace => cluster.pods.filter(pod => pod.namespace === namespace),
    service: async (namespace, name) => inNamespace(cluster.services, namespace).find(service => service.name === name) ?? null,
    endpoints: async (namespace, service) => cluster.endpoints[`${namespace}/${service}`] ?? [],
    networkPolicies: async namespace => inNamespace(cluster.policies, namespace),
    async owners (ip, namespace) {
      await cluster.lookUp(namespace)
      const pods = inNamespace(cluster.pods, namespace).filter(({ podIPs }) => podIPs.includes(ip))
      return { pods, services: inNamespace(cluster.services, namespace).filter(({ clusterIPs }) => clusterIPs.includes(ip)) }
    },
    async resolve ({ namespace, pod, labelSelector }) {
      const pods = structuredClone(labelSelector ? cluster.pods : cluster.pods.filter(({ name }) => name === pod))
      if (pods.length > 0) return { rule: 'the named pod', matched: pods.length, pods }
      throw new Problem('EPH_TARGET_UNKNOWN', `Cannot find pod "${namespace}/${pod}": it does not exist`)
    }
  }
  const injector: Injector = {
    async dryRun (_pod, container) {
      cluster.dryRuns.push(container)
      await cluster.admit(container, true)
    },
    async inject ({ namespace, name }, container) {
      await cluster.admit(container, false)
      cluster.injected.push(container)
      podOf(namespace, name)!.ephemeral.push({ name: container.name, image: container.image, running: true, exitReason: null })
    }
  }
  const isAllowed = (right: Right) => !cluster.denied.has(nameOf(right))
  const reviewer: Reviewer = {
    authenticate: async () => caller,
    allowed: async (_principal, right) => isAllowed(right),
    selfAllowed: async right => isAllowed(right),
    self: async () => caller
  }
  const authority: Authority = {
    async may (_principal, right, { fresh = false } = {}) {
      if (fresh) cluster.freshReviews++
      return isAllowed(right)
    },
    async demand (principal, right, options) {
      if (!await authority.may(principal, right, options)) throw new Problem('EPH_FORBIDDEN', `Cannot ${nameOf(right)}: the rule is missing`)
    }
  }
  return Object.assign(cluster, { reader, injector, reviewer, authority })
}

function createFakeBucket () {
  const bucket = {
    objects: new Map<string, Buffer>(),
    /** What storing does before it succeeds: throws, or waits. */
    putting: async (_key: string): Promise<void> => {}
  }
  const port: Bucket = {
    async put (key, bytes) {
      await bucket.putting(key)
      bucket.objects.set(key, Buffer.from(bytes))
    },
    async get (key, offset, length) {
      const bytes = bucket.objects.get(key)!.subarray(offset, offset + length)
      return (async function * () { yield bytes })()
    },
    delete: async key => { bucket.objects.delete(key) },
    check: async () => {}
  }
  return Object.assign(bucket, { port })
}

function createFakeWake () {
  const listeners = new Set<() => void>()
  const wake: Wake = {
    async ring () { for (const rung of listeners) rung() },
    async listen (rung) {
      listeners.add(rung)
      return async () => { listeners.delete(rung) }
    },
    check: async () => {},
    close: async () => {}
  }
  return wake
}

/** Everything the use cases get from outside, in memory; what a test wants otherwise it changes in the parts. */
export function createFakePorts (catalogue: Catalogue, policy: Partial<Policy> = {}) {
  const database = createFakeDatabase()
  const cluster = createFakeCluster()
  const channels = createFakeChannels()
  const bucket = createFakeBucket()
  const logged: { level: string, text: string, fields: Record<string, unknown> }[] = []
  const counted: string[] = []
  const writer = (level: string) => (fields: Record<string, unknown>, text: string) => { logged.push({ level, text, fields }) }
  const { reader, injector, reviewer, authority } = cluster
  const context: Context = {
    database: database.database,
    bucket: bucket.port,
    reader,
    injector,
    reviewer,
    channels: channels.channels,
    authority,
    wake: createFakeWake(),
    turns: { through: (_node, work) => work() },
    catalogue,
    policy: { ...examplePolicy, ...policy },
    now: () => performance.now(),
    log: { info: writer('info'), warn: writer('warn'), error: writer('error') },
    count: name => { counted.push(name) }
  }
  return { context, database, cluster, channels, bucket, logged, counted }
}
export type FakePorts = ReturnType<typeof createFakePorts>

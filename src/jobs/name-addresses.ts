import { isIP } from 'node:net'
import { nameless, type AddressNames } from '#core/address.ts'
import { Problem } from '#core/errors.ts'
import { perObject } from '#core/per-object.ts'
import type { ClusterReader } from '#core/ports/cluster.ts'
import type { Principal } from '#core/principal.ts'
import { rightOf, type Reading } from '#core/reading.ts'
import type { Context } from './context.ts'
import { filterAsync } from './filter-async.ts'
import { createRecent } from './recent.ts'
import { unlessAborted } from './unless-aborted.ts'

type Owners = Awaited<ReturnType<ClusterReader['owners']>>
interface Asker { caller: Principal, namespace: string, signal: AbortSignal }

const most = 64

/** The API server looks through all pods for an address, and the same few are asked for again and again. */
const maxAgeMs = 5000
const recentOwners = perObject((_: ClusterReader) => createRecent<Owners>(maxAgeMs))

/** Names that addresses had at most 5 s ago, from namespaces in which the caller may list what they belong to. */
export async function nameAddresses (
  { authority, reader, log }: Pick<Context, 'authority' | 'reader' | 'log'>, ips: string[], { caller, namespace, signal }: Asker
): Promise<AddressNames[]> {
  const mayList = (kind: Reading['kind'], namespace: string) => authority.may(caller, rightOf({ kind, namespace }))

  // Where our own account may look in some namespaces only, the pod's is one of them.
  const readOwners = (ip: string): Promise<Owners> => reader.owners(ip, null).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'EPH_ACCOUNT_FORBIDDEN') return reader.owners(ip, namespace)
    throw error
  })

  async function nameOne (ip: string): Promise<AddressNames> {
    const { pods, services } = await unlessAborted(recentOwners(reader).of(`${namespace}/${ip}`, () => readOwners(ip)), signal)
    // An address may still be written on a pod that has ended.
    const living = pods.filter(({ phase }) => phase === 'Running' || phase === 'Pending')
    const [pod] = await filterAsync(living, ({ namespace }) => mayList('pods', namespace))
    const [service] = await filterAsync(services, ({ namespace }) => mayList('services', namespace))
    return {
      // The address of a node is that of many pods: it is the node's.
      pod: pod && !pod.hostNetwork ? { namespace: pod.namespace, name: pod.name } : null,
      service: service ? { namespace: service.namespace, name: service.name } : null,
      node: pod?.node ?? null
    }
  }

  const asked = [...new Set(ips)].filter(ip => isIP(ip) !== 0).slice(0, most)
  const named = new Map(await Promise.all(asked.map(async ip => [ip, await nameOne(ip).catch((error: unknown) => {
    signal.throwIfAborted()
    // Names are a help for people: a measurement stands without them.
    log.warn({ err: error, ip }, 'Cannot tell whose an address is')
    return nameless
  })] as const)))
  return ips.map(ip => named.get(ip) ?? nameless)
}

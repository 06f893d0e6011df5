import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import { nameless, type Address } from '#core/address.ts'
import { Problem, type FieldError } from '#core/errors.ts'
import { addressPattern } from '#core/host.ts'
import type { ObjectReader } from '#core/probe.ts'
import { isRefusedAddress, refusedAddressDetail } from '#core/refused-addresses.ts'
import { findClusterDns } from './cluster-dns.ts'

export const DnsServer = Type.Object({
  source: Type.Enum(['pod', 'cluster', 'given'], {
    default: 'given',
    description: 'pod: the nameservers of the pod, as its applications ask them; cluster: the Service of the cluster\'s DNS; given: the address beside it'
  }),
  address: Type.Optional(Type.String({ pattern: addressPattern, description: 'IPv4 or IPv6 address of a given server' })),
  port: Type.Integer({ minimum: 1, maximum: 65535, default: 53, description: 'Port of a given server' })
}, { additionalProperties: false, description: 'Who is asked' })
export type DnsServer = Static<typeof DnsServer>

/** What no schema without unions can say of a server; `pointer` leads to it. */
export function serverErrors ({ source, address, port }: DnsServer, pointer: string): FieldError[] {
  const wrong = (field: 'address' | 'port', detail: string) => [{ pointer: `${pointer}/${field}`, detail }]
  if (source !== 'given') {
    return [
      ...address === undefined ? [] : wrong('address', 'goes only with the source "given"'),
      ...port === 53 ? [] : wrong('port', 'goes only with the source "given": the others are asked on port 53')
    ]
  }
  if (address === undefined) return wrong('address', 'is required for the source "given"')
  if (isIP(address) === 0) return wrong('address', 'must be a whole address')
  // Where it is a nameserver of the pod, the source pod asks it, on port 53.
  return isRefusedAddress(address) ? wrong('address', refusedAddressDetail) : []
}

/** Where each server is; null: the nameservers of the pod. Rejects with EPH_NOT_FOUND where the cluster's DNS is not. */
export async function findServers (servers: DnsServer[], objects: ObjectReader): Promise<(Address | null)[]> {
  const cluster = servers.some(({ source }) => source === 'cluster') ? await findClusterDns(objects) : null
  return servers.map(({ source, address, port }) => {
    if (source === 'pod') return null
    const ip = source === 'cluster' ? cluster?.clusterIPs[0] : address
    if (ip === undefined) throw new Problem('EPH_NOT_FOUND', 'Cannot ask the DNS of the cluster: it has no Service by a usual name, as kube-system/kube-dns')
    return { ip, port, ...nameless }
  })
}

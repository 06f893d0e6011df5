import type { AddressNames } from '#core/address.ts'
import type { Place } from '#core/destination.ts'
import type { Probe } from '#core/probe.ts'

const usualPort = 443

type Service = AddressNames['service']

/**
 * The Service whose cluster IP an address is: one that the caller named or may list; null where there is none that is known. Such an
 * address exists in the rules of the nodes only, for the ports of the Service: nobody there could answer a ping.
 */
export async function serviceAt (ip: string, place: Place, names: AddressNames, objects: Probe['objects']): Promise<Service> {
  if (names.service || !place.service) return names.service
  const found = await objects.service(place.service.namespace, place.service.name)
  return found?.clusterIPs.includes(ip) ? place.service : null
}

/** A TCP port where something should listen: the first of the Service, as far as the caller may read it, else 443. */
export async function portOfService (service: Service, objects: Probe['objects']): Promise<number> {
  if (!service || !await objects.may({ kind: 'service', ...service })) return usualPort
  const found = await objects.service(service.namespace, service.name)
  return found?.ports.find(({ protocol }) => protocol === 'TCP')?.port ?? usualPort
}

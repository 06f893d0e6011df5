import { isIP } from 'node:net'
import { Type, type Static, type TString } from 'typebox'
import type { FieldError } from './errors.ts'
import { Host, isHost } from './host.ts'
import type { Reading } from './reading.ts'
import { isRefusedAddress, refusedAddressDetail } from './refused-addresses.ts'
import { dnsLabel, Namespace, ObjectName } from './schema.ts'

const named = (name: TString, description: string) =>
  Type.Object({ namespace: Namespace, name }, { additionalProperties: false, description })
const ServiceName = Type.String({ pattern: dnsLabel, description: 'Name of a Service' })

export const NamedService = named(ServiceName, 'A Service')

const ways = {
  host: Type.Optional(Host),
  pod: Type.Optional(named(ObjectName, 'A pod, by the addresses it has now')),
  service: Type.Optional(named(ServiceName, 'A Service, by its cluster IPs; a headless one by its endpoints'))
}

/** Where something is: exactly one of host, pod, service (`placeErrors`; no union, as GraphQL has none). */
export const Place = Type.Object(ways, { additionalProperties: false, description: 'One of host, pod, service' })
export type Place = Static<typeof Place>

/** A place and a port there: wherever a diagnostic talks to something. */
export const Destination = Type.Object({
  ...ways,
  port: Type.Integer({ minimum: 1, maximum: 65535, description: 'Port; of a Service: its own, not that of its pods' })
}, { additionalProperties: false, description: 'Where to connect to: a port, and one of host, pod, service' })
export type Destination = Static<typeof Destination>

/** 4 or 6, where the question is about one family of addresses. */
export const Family = Type.Optional(Type.Integer({ minimum: 4, maximum: 6, multipleOf: 2, description: '4 or 6: only addresses of this family' }))

export const waysOf = (place: Place) => (['host', 'pod', 'service'] as const).filter(way => place[way] !== undefined)

/** What no schema without unions can say of a place, for `contradictions`; `pointer` leads to it. */
export function placeErrors (place: Place, pointer: string): FieldError[] {
  const { host } = place
  if (waysOf(place).length !== 1) return [{ pointer, detail: 'must name exactly one of host, pod, service' }]
  if (host === undefined) return []
  if (!isHost(host)) return [{ pointer: `${pointer}/host`, detail: 'must be a name or a whole address' }]
  return isRefusedAddress(host)
    ? [{ pointer: `${pointer}/host`, detail: refusedAddressDetail }]
    : []
}

/** As `placeErrors`, and then whether the family that was asked for fits; that is a parameter of its own. */
export function aimErrors (place: Place, pointer: string, family: number | undefined): FieldError[] {
  const errors = placeErrors(place, pointer)
  return errors.length > 0 ? errors : familyErrors(place, family, '/params/family')
}

/** As `placeErrors`, for a family beside it. */
export function familyErrors ({ host }: Place, family: number | undefined, pointer: string): FieldError[] {
  if (family === undefined) return []
  const given = isIP(host ?? '')
  return given === 0 || given === family ? [] : [{ pointer, detail: `must be ${given}, as the address that is given` }]
}

/** What is read of the API server to find it, in the name of the caller. */
export const placeReadings = ({ pod, service }: Place): Reading[] => [
  ...pod ? [{ kind: 'pod', ...pod } as const] : [],
  ...service ? [{ kind: 'service', ...service } as const, { kind: 'endpointSlices', ...service } as const] : []
]

/** The place in words: "web.shop", pod "shop/web-1", Service "shop/web". */
export function sayPlace ({ host, pod, service }: Place): string {
  if (pod) return `pod "${pod.namespace}/${pod.name}"`
  return service ? `Service "${service.namespace}/${service.name}"` : `"${host}"`
}

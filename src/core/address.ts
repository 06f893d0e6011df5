import { Type, type Static } from 'typebox'
import { OrNull } from './schema.ts'

export const NamedObject = Type.Object({
  namespace: Type.String({ description: 'Its namespace' }),
  name: Type.String({ description: 'Its name' })
}, { description: 'An object of the cluster' })

export type NamedObject = Static<typeof NamedObject>

const named = (description: string) => Type.Union([NamedObject, Type.Null()], { description })

/** Who has an address, as far as the caller may read it. */
export const AddressNames = Type.Object({
  pod: named('The pod that has it; null: none that is known or that the caller may read'),
  service: named('The Service whose cluster IP it is; null: as of pod'),
  node: OrNull(Type.String({ description: 'The node of that pod, or whose own address it is; null: as of pod' }))
})
export type AddressNames = Static<typeof AddressNames>

/** How every report names a place on the network; names of pods and Services are added only from namespaces the caller may read. */
export const Address = Type.Object({
  ip: Type.String({ description: 'IPv4 or IPv6 address' }),
  port: Type.Integer({ minimum: 0, maximum: 65535, description: 'Port' }),
  ...AddressNames.properties
}, { description: 'An address on the network' })
export type Address = Static<typeof Address>

export const nameless: AddressNames = { pod: null, service: null, node: null }

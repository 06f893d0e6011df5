import { Type, type Static } from 'typebox'

/** How every report names a place on the network; names of pods and Services are added only from namespaces the caller may read. */
export const Address = Type.Object({
  ip: Type.String({ description: 'IPv4 or IPv6 address' }),
  port: Type.Integer({ minimum: 0, maximum: 65535, description: 'Port' })
}, { description: 'An address on the network' })
export type Address = Static<typeof Address>

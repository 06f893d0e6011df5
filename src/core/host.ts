import { isIP, SocketAddress } from 'node:net'
import { Type } from 'typebox'

/** A label of a host name, or of a name as _http._tcp.web. Begins with a letter, digit or underscore: no option does. */
const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
export const dnsName = `^${label}(?:\\.${label})*\\.?$`

export const hostPattern = `${dnsName}|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$`

/** Of an IPv4 or IPv6 address without zone, roughly; whether it is one, `isIP` tells. */
export const addressPattern = '^[0-9A-Fa-f:.]{2,45}$'

/** A name, or an IPv4 or IPv6 address without brackets or zone; whether an address is one, `isIP` tells. */
export const Host = Type.String({ pattern: hostPattern, minLength: 1, maxLength: 254, description: 'A name, or an IPv4 or IPv6 address' })

/** No name ends so (as URLs have it): tools would read decimal, octal and hexadecimal numbers as an address, in ways of their own. */
const endsInNumber = /(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?$/

/** Whether it is a name or a whole address in the one usual form, and not what only looks like an address. */
export const isHost = (host: string): boolean => isIP(host) !== 0 || !(host.includes(':') || endsInNumber.test(host))

/** An address as tools write it, so that the two can be compared: IPv6 compressed, and IPv4 inside of it as what it is. */
export function canonicalIp (ip: string): string {
  if (isIP(ip) !== 6) return ip
  const { address } = new SocketAddress({ address: ip, family: 'ipv6' })
  return /^::ffff:([\d.]+)$/.exec(address)?.[1] ?? address
}

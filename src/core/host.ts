import { isIP } from 'node:net'
import { Type } from 'typebox'

/** A label of a host name, or of a name as _http._tcp.web. Begins with a letter, digit or underscore: no option does. */
const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
export const dnsName = `^${label}(?:\\.${label})*\\.?$`

/** A name, or an IPv4 or IPv6 address without brackets or zone; whether an address is one, `isIP` tells. */
export const Host = Type.String({
  pattern: `${dnsName}|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$`, minLength: 1, maxLength: 254, description: 'A name, or an IPv4 or IPv6 address'
})

/** What looks like an address but is none: tools would take it for a name, or refuse it in words of their own. */
export const isHost = (host: string): boolean => !/:|^[0-9.]+$/.test(host) || isIP(host) !== 0

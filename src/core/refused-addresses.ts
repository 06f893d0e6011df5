import { BlockList, isIP } from 'node:net'

/** Where clouds give credentials of the node to whoever asks from it. */
export const metadataAddresses: readonly string[] = [
  '169.254.169.254', 'fd00:ec2::254', '169.254.170.2', '169.254.170.23', 'fd00:ec2::23', '100.100.100.200', '192.0.0.192', '168.63.129.16',
  'fd20:ce::254'
]
/** Prefixes of IPv6 that make a translator, or the kernel, talk to the IPv4 address at their end; ::ffff: the list knows by itself. */
const translated = ['::', '::ffff:0:', '64:ff9b::']

const list = new BlockList()
// A diagnostic talks to one place: what it sends to all of a network, its answers would come from all of it too.
list.addSubnet('224.0.0.0', 4, 'ipv4')
list.addAddress('255.255.255.255', 'ipv4')
list.addSubnet('ff00::', 8, 'ipv6')
// Link-local addresses are of no use to a diagnostic, which knows no zone, and some clouds have their metadata there.
list.addSubnet('fe80::', 10, 'ipv6')
for (const ip of metadataAddresses) {
  if (isIP(ip) === 6) list.addAddress(ip, 'ipv6')
  else {
    const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number)
    list.addAddress(ip, 'ipv4')
    for (const prefix of translated) list.addAddress(prefix + ip, 'ipv6')
    // 6to4: the IPv4 address of the gateway leads.
    list.addSubnet(`2002:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}::`, 48, 'ipv6')
  }
}

/** Whether no diagnostic may talk to this address, however it is written; false for what is no address. */
export function isRefusedAddress (ip: string): boolean {
  const family = isIP(ip)
  return family !== 0 && list.check(ip, family === 6 ? 'ipv6' : 'ipv4')
}

/** Why such an address is refused, for errors. */
export const refusedAddressDetail = 'must not be the address of a metadata service, nor link-local IPv6, multicast or broadcast: no diagnostic may talk to it'

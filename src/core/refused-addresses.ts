import { BlockList, isIP } from 'node:net'

/** Where clouds give credentials of the node to whoever asks from it. */
const metadata = [
  '169.254.169.254', 'fd00:ec2::254', '169.254.170.2', '169.254.170.23', 'fd00:ec2::23', '100.100.100.200', '192.0.0.192', '168.63.129.16',
  'fd20:ce::254'
]
const list = new BlockList()
for (const ip of metadata) list.addAddress(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4')

/** Whether no diagnostic may talk to this address, however it is written; false for what is no address. */
export function isRefusedAddress (ip: string): boolean {
  const family = isIP(ip)
  return family !== 0 && list.check(ip, family === 6 ? 'ipv6' : 'ipv4')
}

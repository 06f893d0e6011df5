import t from 'tap'
import { isHost } from '#core/host.ts'
import { isRefusedAddress } from '#core/refused-addresses.ts'

t.test('addresses of metadata services are refused, however they are written', t => {
  for (const ip of ['169.254.169.254', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', 'fd00:ec2::254', 'FD00:0EC2:0:0:0:0:0:254', '100.100.100.200']) {
    t.equal(isRefusedAddress(ip), true, ip)
  }
  for (const ip of ['::169.254.169.254', '::ffff:0:a9fe:a9fe', '64:ff9b::169.254.169.254', '64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', 'fe80::1', 'febf::1']) {
    t.equal(isRefusedAddress(ip), true, ip)
  }
  for (const ip of ['224.0.0.1', '239.255.255.250', '255.255.255.255', '::ffff:224.0.0.1', 'ff02::1', 'FF0E::1']) t.equal(isRefusedAddress(ip), true, ip)
  for (const ip of ['::', '::1', '223.255.255.255', '240.0.0.1', '10.255.255.255', '64:ff9b::a9fe:a9ff', '2002:a9fe:a9ff::1', 'fec0::1', '169.254.20.10', '10.96.0.10', 'fd00:ec2::255', 'metadata.google.internal']) t.equal(isRefusedAddress(ip), false, ip)
  t.end()
})

t.test('a host is a name or a whole address', t => {
  for (const host of ['web', 'web.shop.svc.', '10.0.0.1', '::1', '2001:db8::1', '_http._tcp.web', '1password.com', '::ffff:10.0.0.1', '4.3.2.1.in-addr.arpa', '1.web', '0xa.web', 'web.0xg']) t.equal(isHost(host), true, host)
  for (const host of ['10.0.0', '10.0.0.256', '10', '1.2.3.4:80', ':::', 'fe80::1::2', '0x7f.1:', '0x7f.1', '0xa9fea9fe', '10.0.0.1.', '0251.0376.0251.0376', 'web.1', 'web.0X']) t.equal(isHost(host), false, host)
  t.end()
})

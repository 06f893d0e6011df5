import t from 'tap'
import { canonicalIp, isHost } from '#core/host.ts'

t.test('what looks like an address must be one', t => {
  for (const host of ['web', 'web.shop.', '_http._tcp.web', '10.0.0.1', '2001:db8::1', '::ffff:10.0.0.1']) t.equal(isHost(host), true, host)
  for (const host of ['1.2.3', '010.0.0.1', '10.0.0.1:80', '2001:db8::1::', '10']) t.equal(isHost(host), false, host)
  t.end()
})

t.test('an address is always written the same way', t => {
  const expected = {
    '10.0.0.1': '10.0.0.1',
    '::ffff:10.0.0.1': '10.0.0.1',
    '::FFFF:a00:1': '10.0.0.1',
    '2001:DB8:0:0::1': '2001:db8::1',
    '0:0:0:0:0:0:0:1': '::1',
    'web.shop': 'web.shop'
  }
  for (const [written, ip] of Object.entries(expected)) t.equal(canonicalIp(written), ip, written)
  t.end()
})

import t from 'tap'
import { parseResolvConf } from '#analysis/resolv-conf.ts'
import { recordedText } from '../support/recorded.ts'

t.test('the file of an ordinary pod', t => {
  t.match(parseResolvConf(recordedText('resolv-conf-cluster.txt')), {
    nameservers: [{ ip: '10.96.0.10', line: 2 }],
    search: [/^\S+\.svc\.cluster\.local$/, 'svc.cluster.local', 'cluster.local'],
    searchLine: 1,
    ndots: 5,
    ndotsLine: 3,
    options: ['ndots:5']
  })
  t.end()
})

t.test('the file of a pod with a dnsConfig of its own', t => {
  t.match(parseResolvConf(recordedText('resolv-conf-none.txt')), {
    nameservers: [{ ip: '192.0.2.1' }, { ip: '10.96.0.10' }], search: ['lab.test'], ndots: 2, options: { length: 4 }
  })
  t.end()
})

t.test('what the manual leaves to the C library', t => {
  const read = (...lines: string[]) => parseResolvConf(lines.join('\n'))
  t.match(read('search a b', 'domain c'), { search: ['c'], searchLine: 2 }, 'the last of domain and search holds')
  t.match(read('domain c', 'search\ta \tb  '), { search: ['a', 'b'], searchLine: 2 })
  t.match(read('options ndots:3 rotate', 'options ndots:99 edns0'), { ndots: 15, ndotsLine: 2, options: ['ndots:3', 'rotate', 'ndots:99', 'edns0'] })
  t.same(read('# nameserver 10.0.0.1', ';nameserver 10.0.0.2', ' nameserver 10.0.0.3', 'nameserver', 'nameserver\t10.0.0.4\r').nameservers, [{ ip: '10.0.0.4', line: 5 }])
  t.match(read(''), { nameservers: [], search: [], searchLine: null, ndots: 1, options: [] })
  t.end()
})

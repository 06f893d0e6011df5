import t from 'tap'
import { conflictsIn, parseHosts } from '#analysis/hosts-file.ts'
import { recordedText } from '../support/recorded.ts'

t.test('the file of an ordinary pod has no conflict: localhost has an address of each family', t => {
  const entries = parseHosts(recordedText('hosts-cluster.txt'))
  t.match(entries, [{ ip: '127.0.0.1', names: ['localhost'], line: 2 }, { ip: '::1', names: ['localhost', 'ip6-localhost', 'ip6-loopback'] }])
  t.match(entries.at(-1), { ip: /^10\.244\./, names: [/^pod-/] })
  t.same(conflictsIn(entries), [])
  t.end()
})

t.test('aliases of the pod that contradict each other', t => {
  const entries = parseHosts(recordedText('hosts-aliases.txt'))
  t.match(conflictsIn(entries), [{ name: 'db.example.test', ips: ['192.0.2.1', '192.0.2.2'], lines: [Number, Number] }])
  t.end()
})

t.test('comments, case, spaces and what is no address', t => {
  t.same(parseHosts('10.0.0.1\tWeb  web.shop # old\n#10.0.0.2 web\n\nnonsense web\n10.0.0.3\n  10.0.0.4 db\r\n'), [
    { ip: '10.0.0.1', names: ['web', 'web.shop'], line: 1 }, { ip: '10.0.0.4', names: ['db'], line: 6 }
  ])
  t.same(conflictsIn(parseHosts('10.0.0.1 web web\n10.0.0.1 WEB\nfd00::1 web\n')), [])
  t.end()
})

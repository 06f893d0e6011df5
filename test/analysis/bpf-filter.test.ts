import { execFileSync } from 'node:child_process'
import t from 'tap'
import { canonicalAddress, captureProtocols, compileFilter, filterContradictions, type CaptureFilter } from '#analysis/bpf-filter.ts'

t.test('compiles each field into the words of pcap-filter', t => {
  t.equal(compileFilter({}), '')
  t.equal(compileFilter({ protocol: 'tcp', host: '10.0.0.1', port: 8080 }), 'tcp and host 10.0.0.1 and port 8080')
  t.equal(compileFilter({ protocol: 'arp' }), 'arp')
  t.equal(compileFilter({ host: '2001:DB8:0:0::1' }), 'host 2001:db8::1')
  t.end()
})

t.test('addresses are printed anew, and what is none is refused', t => {
  t.equal(canonicalAddress('10.0.0.1'), '10.0.0.1')
  t.equal(canonicalAddress('::FFFF:10.0.0.1'), '::ffff:a00:1')
  for (const text of ['', 'web', '10.0.0.256', '10.0.0.1 or 1=1', '010.0.0.1', '10.1', '0x0a000001', 'fe80::1%eth0', '::g', '10.0.0.1\n', '1.2.3.4/24', '-1']) {
    t.equal(canonicalAddress(text), null, JSON.stringify(text))
    t.throws(() => compileFilter({ host: text }), { message: /^Cannot compile the filter: host / })
  }
  t.end()
})

t.test('fields that contradict each other are named', t => {
  t.match(filterContradictions({ protocol: 'icmp', port: 80 }), [{ field: 'port' }])
  t.match(filterContradictions({ protocol: 'icmp6', host: '10.0.0.1' }), [{ field: 'host' }])
  t.match(filterContradictions({ protocol: 'arp', host: '::1' }), [{ field: 'host' }])
  t.same(filterContradictions({ protocol: 'udp', port: 53, host: '::1' }), [])
  t.end()
})

const hasTcpdump = (() => {
  try {
    return execFileSync('tcpdump', ['--version'], { stdio: ['ignore', 'pipe', 'pipe'] }).length >= 0
  } catch {
    return false
  }
})()

t.test('libpcap takes every combination without contradiction', { skip: !hasTcpdump && 'tcpdump is not here' }, t => {
  const filters: CaptureFilter[] = [undefined, ...captureProtocols].flatMap(protocol =>
    [undefined, '10.0.0.1', '2001:db8::1'].flatMap(host => [undefined, 53].map(port => ({
      ...protocol && { protocol }, ...host !== undefined && { host }, ...port !== undefined && { port }
    }))))
  const sound = filters.filter(filter => filterContradictions(filter).length === 0)
  t.ok(sound.length > 20)
  for (const filter of sound) {
    const expression = compileFilter(filter)
    const code = execFileSync('tcpdump', ['-y', 'EN10MB', '-d', '--', ...expression === '' ? [] : [expression]], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    t.match(code, /\bret\b/, expression)
  }
  t.end()
})

import t from 'tap'
import type { DnsQuery } from '#analysis/dns-query.ts'
import { checkParams } from '#core/check-params.ts'
import dnsLookup from '../../src/diagnostics/dns-lookup.ts'
import { measure } from '../support/measure.ts'
import { exampleService, recordedProbe, type RecordedWorld } from '../support/recorded-probe.ts'
import { recordedText } from '../support/recorded.ts'

/** Measures names × types with one recording each, and judges. */
async function look (input: { names: string[] } & Record<string, unknown>, stdouts: string[], world: RecordedWorld = {}) {
  const measured = await measure(dnsLookup, input, stdouts.map(stdout => ({ stdout })), world)
  return { ...measured, queries: measured.report.queries as DnsQuery[] }
}

const one = (recording: string, name: string, type = 'A') => look({ names: [name], types: [type] }, [recordedText(`dig-${recording}.txt`)])

t.test('asks as the C library does, each name and type in a run of its own', async t => {
  const answer = recordedText('dig-answer.txt')
  const { argvs, queries } = await look({ names: ['web.shop', 'orders'], types: ['A', 'AAAA'] }, [answer, answer, answer, answer])
  t.same(argvs[0], ['dig', '-r', '-u', '+search', '+showsearch', '+noedns', '+nofail', '+time=2', '+tries=2', '-t', 'A', '-q', 'web.shop'])
  t.same(argvs.map(argv => argv.slice(-3)), [['A', '-q', 'web.shop'], ['AAAA', '-q', 'web.shop'], ['A', '-q', 'orders'], ['AAAA', '-q', 'orders']])
  t.match(queries, [{ name: 'web.shop', type: 'A' }, { name: 'web.shop', type: 'AAAA' }, { name: 'orders' }, { name: 'orders' }])
})

t.test('a full name that resolves passes without findings', async t => {
  t.match(await one('answer', 'web.shop.svc.cluster.local'), { verdict: 'pass', codes: [], queries: [{ status: 'NOERROR', transport: 'udp', tried: [] }] })
})

t.test('what only the search list makes a name is said, and is no fault', async t => {
  const { verdict, findings, queries } = await one('search-list', 'web.shop')
  t.equal(verdict, 'pass')
  t.match(findings, [{ code: 'DNS_SEARCH_LIST', message: /"web\.shop" was found as "web\.shop\.svc\.cluster\.local\."/ }])
  t.match(queries, [{ question: 'web.shop.svc.cluster.local.', tried: [{ question: 'web.shop.shop.svc.cluster.local.', status: 'NXDOMAIN' }] }])
})

t.test('each way to fail has its code and a line of the run as evidence', async t => {
  const failures: [string, string, string, string][] = [
    ['nxdomain', 'nope.shop', 'A', 'DNS_NXDOMAIN'],
    ['alias-to-nowhere', 'broken.lab.test', 'A', 'DNS_NXDOMAIN'],
    ['servfail', 'x.servfail.test', 'A', 'DNS_SERVFAIL'],
    ['refused', 'x.refused.test', 'A', 'DNS_REFUSED'],
    ['unreachable', 'web.shop', 'A', 'DNS_TIMEOUT'],
    ['connection-refused', 'web', 'A', 'DNS_TIMEOUT'],
    ['no-ipv6', 'web', 'A', 'DNS_TIMEOUT'],
    ['no-tcp', 'many.lab.test.', 'TXT', 'DNS_TCP_UNANSWERED'],
    ['tcp-timeout', 'many.lab.test.', 'TXT', 'DNS_TCP_UNANSWERED'],
    ['no-data', 'web.shop.svc.cluster.local', 'AAAA', 'DNS_NO_ANSWER']
  ]
  for (const [recording, name, type, code] of failures) {
    const { findings, verdict, codes } = await one(recording, name, type)
    t.same(codes, [code], recording)
    t.equal(verdict, 'fail')
    const [{ run, line } = { run: -1, line: 0 }] = findings[0]!.evidence!
    t.equal(run, 0)
    t.match(recordedText(`dig-${recording}.txt`).split('\n')[line! - 1], /HEADER.* status: |no servers could be reached/)
  }
})

t.test('messages name what matters: alias, servers, the failed transport', async t => {
  t.match((await one('nxdomain', 'nope.shop')).findings, [{ message: /^"nope\.shop\." does not exist, nor "nope\.shop\.shop\.svc/ }])
  t.match((await one('alias-to-nowhere', 'broken.lab.test')).findings, [{ message: /it is an alias of "nowhere\.lab\.test\."/ }])
  t.match((await one('unreachable', 'web.shop')).findings, [{ message: /192\.0\.2\.1 \(timed out\)/ }])
})

t.test('a missing address family is no fault where the other one is there', async t => {
  const [a, aaaa] = [recordedText('dig-answer.txt'), recordedText('dig-no-data.txt')]
  t.match(await look({ names: ['web.shop.svc.cluster.local'], types: ['A', 'AAAA'] }, [a, aaaa]), { verdict: 'pass', codes: ['DNS_ONE_FAMILY'] })
  t.match(await look({ names: ['web.shop.svc.cluster.local'], types: ['A', 'AAAA'] }, [aaaa, aaaa]), { verdict: 'fail', codes: ['DNS_NO_ANSWER', 'DNS_NO_ANSWER'] })
})

t.test('lost attempts before an answer are a warning', async t => {
  const { verdict, codes, queries } = await one('first-server-dead', 'web.shop')
  t.equal(verdict, 'warn')
  t.same(codes, ['DNS_ATTEMPT_LOST', 'DNS_SEARCH_LIST'])
  t.match(queries, [{ status: 'NOERROR', lost: [{ server: { ip: '192.0.2.1', port: 53 }, reason: 'timed out' }] }])
})

t.test('replies that take more than half a second in all are slow', async t => {
  const late = (usec: number) => recordedText('dig-search-list.txt').replace(/Query time: \d+ usec/g, `Query time: ${usec} usec`)
  t.match(await look({ names: ['web.shop'] }, [late(300_000)]), { verdict: 'warn', codes: ['DNS_SLOW', 'DNS_SEARCH_LIST'] })
  t.match(await look({ names: ['web.shop'] }, [late(200_000)]), { verdict: 'pass', codes: ['DNS_SEARCH_LIST'] })
})

t.test('a reply that came over TCP because it does not fit into UDP is a warning', async t => {
  t.match(await one('tcp', 'many.lab.test.', 'TXT'), { verdict: 'warn', codes: ['DNS_TRUNCATED'], queries: [{ truncated: true, transport: 'tcp' }] })
})

t.test('names of the search list that are asked in vain before the name itself are said', async t => {
  const { verdict, findings } = await one('search-in-vain', 'web.shop')
  t.equal(verdict, 'pass')
  t.match(findings, [{ code: 'DNS_EXTRA_QUERIES', message: /^"web\.shop" was found after 3 questions in vain/, data: { extraQueries: 3 } }])
})

const given = { source: 'given', address: '10.99.0.1', port: 34523 }

t.test('a given server is asked by its address and port, and without the search list if so wished', async t => {
  const { argvs, findings, queries, verdict } = await look({ names: ['web.shop'], servers: [{ source: 'pod' }, given], search: false }, ['server', 'server'].map(name => recordedText(`dig-${name}.txt`)))
  const common = ['dig', '-r', '-u', '+nosearch', '+noedns', '+nofail', '+time=2', '+tries=2']
  t.same(argvs, [[...common, '-t', 'A', '-q', 'web.shop'], [...common, '-p', '34523', '@10.99.0.1', '-t', 'A', '-q', 'web.shop']])
  t.match(queries, [{ asked: null, sample: 1 }, { asked: { ip: '10.99.0.1', port: 34523 }, sample: 1 }])
  t.match({ verdict, findings }, { verdict: 'pass', findings: [] })
})

t.test('the DNS of the cluster is asked by the cluster IP of its Service, and named', async t => {
  const services = [exampleService({ namespace: 'kube-system', name: 'kube-dns', clusterIPs: ['10.96.0.10', 'fd00::a'] })]
  const names = { '10.96.0.10': { service: { namespace: 'kube-system', name: 'kube-dns' } } }
  const { argvs, queries } = await look({ names: ['web.shop'], servers: [{ source: 'cluster' }] }, [recordedText('dig-answer.txt')], { services, names })
  t.same(argvs[0]?.slice(-7), ['-p', '53', '@10.96.0.10', '-t', 'A', '-q', 'web.shop'])
  t.match(queries, [{ asked: { ip: '10.96.0.10', port: 53, service: { name: 'kube-dns' } } }])
  await t.rejects(look({ names: ['web'], servers: [{ source: 'cluster' }] }, []), { code: 'EPH_NOT_FOUND' })
  t.same(dnsLookup.reads?.(checkParams(dnsLookup, { names: ['web'], servers: [{ source: 'cluster' }] }), 'shop'), [{ kind: 'service', namespace: 'kube-system' }])
  t.same(dnsLookup.reads?.(checkParams(dnsLookup, { names: ['web'] }), 'shop'), [])
})

t.test('servers with different records are compared, and each failure names its server', async t => {
  const [answer, other, missing] = ['answer', 'server', 'nxdomain'].map(name => recordedText(`dig-${name}.txt`))
  const differing = await look({ names: ['web.shop.svc.cluster.local.'], servers: [{ source: 'pod' }, given] }, [answer!, other!])
  t.match(differing.findings.find(({ code }) => code === 'DNS_ANSWERS_DIFFER'), {
    message: /the nameservers of the pod: 10\.96\.\S+; 10\.99\.0\.1 port 34523: 192\.0\.2\.7/, evidence: [{ run: 0 }, { run: 1 }]
  })
  t.match(await look({ names: ['nope.shop'], servers: [{ source: 'pod' }, given] }, [answer!, missing!]), {
    verdict: 'fail',
    findings: [{ code: 'DNS_SEARCH_LIST' }, { code: 'DNS_NXDOMAIN', message: /\(server 10\.99\.0\.1 port 34523\)$/, data: { server: { port: 34523 } } }, { code: 'DNS_ANSWERS_DIFFER' }]
  })
})

t.test('samples that fail are one finding with each of them as evidence', async t => {
  const [answer, failed] = ['answer', 'servfail'].map(name => recordedText(`dig-${name}.txt`))
  const { verdict, findings, queries } = await look({ names: ['web.shop.svc.cluster.local.'], samples: 4 }, [answer!, failed!, answer!, failed!])
  t.equal(verdict, 'fail')
  t.match(findings, [{ code: 'DNS_SERVFAIL', message: /\(2 of 4 samples\)$/, data: { samples: 4, showing: 2 }, evidence: [{ run: 1 }, { run: 3 }] }])
  t.same(queries.map(query => (query as DnsQuery & { sample: number }).sample), [1, 2, 3, 4])
})

t.test('the gate refuses servers that are no address or a metadata service, addresses as names, and too many questions', t => {
  const refuse = (input: Record<string, unknown>, pointer: string) =>
    t.throws(() => checkParams(dnsLookup, { names: ['web'], ...input }), { code: 'EPH_PARAMS_INVALID', errors: [{ pointer }] }, JSON.stringify(input))
  const server = (server: Record<string, unknown>) => ({ servers: [server] })
  refuse(server({}), '/params/servers/0/address')
  refuse(server({ source: 'pod', address: '10.0.0.1' }), '/params/servers/0/address')
  refuse(server({ source: 'pod', port: 5353 }), '/params/servers/0/port')
  refuse(server({ source: 'cluster', address: '10.0.0.1' }), '/params/servers/0/address')
  for (const address of ['169.254.169.254', '::ffff:a9fe:a9fe', 'fd00:ec2::254', '10.0.0', '010.0.0.1', 'fe80:::1']) refuse(server({ address }), '/params/servers/0/address')
  for (const name of ['10.0.0.1', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '10.0.0.1.', 'web.1']) refuse({ names: [name] }, '/params/names/0')
  refuse({ types: ['A', 'AAAA', 'MX', 'NS', 'SOA', 'TXT'], samples: 20 }, '/params/samples')
  t.same(checkParams(dnsLookup, { names: ['web'], servers: [{ address: '169.254.20.10' }] }).servers, [{ source: 'given', address: '169.254.20.10', port: 53 }])
  t.end()
})

t.test('another status than the usual ones is an error of its own', async t => {
  const notImplemented = recordedText('dig-refused.txt').replace('status: REFUSED', 'status: NOTIMP')
  t.match(await look({ names: ['x.refused.test'] }, [notImplemented]), { codes: ['DNS_ERROR_STATUS'], findings: [{ message: /NOTIMP/ }] })
})

t.test('what cannot be read is an error with a code, not an empty report, and hides nothing that was read before', async t => {
  await t.rejects(look({ names: ['web'] }, ['dig: out of memory\n']), { code: 'EPH_OUTPUT_UNREADABLE' })
  const params = checkParams(dnsLookup, { names: ['nope.shop', 'web'] })
  const { probe, kept } = recordedProbe([{ stdout: recordedText('dig-nxdomain.txt') }, { stdout: 'dig: out of memory\n' }])
  await t.rejects(dnsLookup.measure(params, probe), { code: 'EPH_OUTPUT_UNREADABLE' })
  t.match(dnsLookup.judge(kept.at(-1)!, params), [{ code: 'DNS_NXDOMAIN' }])
})

t.test('the time it may take grows with the questions and stays below an hour', t => {
  const time = (names: number, types: string[]) =>
    dnsLookup.timeoutSecondsFor(checkParams(dnsLookup, { names: Array.from({ length: names }, (_, index) => `n${index}`), types }))
  t.ok(time(1, ['A']) <= 30)
  t.ok(time(10, ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT']) <= 3600)
  t.end()
})

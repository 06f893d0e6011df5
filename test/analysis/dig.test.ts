import t from 'tap'
import { parseDig } from '#analysis/dig.ts'
import type { Problem } from '#core/errors.ts'
import { recordedText } from '../support/recorded.ts'

const read = (name: string) => parseDig(recordedText(`dig-${name}.txt`))

t.test('an answer is read with its server, time and the line of its status', t => {
  const { replies, lost, truncated, unreachedLine } = read('answer')
  t.match(replies, [{
    question: 'web.shop.svc.cluster.local.',
    status: 'NOERROR',
    answers: [{ name: 'web.shop.svc.cluster.local.', type: 'A', ttlSeconds: 5, data: /^10\.96\./ }],
    server: { ip: '10.99.0.1', port: 53 },
    transport: 'udp',
    queryMs: Number
  }])
  t.match(recordedText('dig-answer.txt').split('\n')[replies[0]!.line - 1], /status: NOERROR/)
  t.same({ lost, truncated, unreachedLine }, { lost: [], truncated: false, unreachedLine: null })
  t.end()
})

t.test('every name of the search list that was tried is a reply of its own, in order', t => {
  t.same(read('search-list').replies.map(({ question, status }) => [question, status]), [
    ['web.shop.shop.svc.cluster.local.', 'NXDOMAIN'],
    ['web.shop.svc.cluster.local.', 'NOERROR']
  ])
  t.same(read('nxdomain').replies.map(({ question }) => question), [
    'nope.shop.shop.svc.cluster.local.', 'nope.shop.svc.cluster.local.', 'nope.shop.cluster.local.', 'nope.shop.'
  ])
  t.end()
})

t.test('a name without a record of the type is an empty answer, not an unreadable one', t => {
  t.match(read('no-data').replies, [{ status: 'NOERROR', answers: [] }])
  t.end()
})

t.test('records of several types keep their data as dig writes it', t => {
  t.same(read('text').replies[0]!.answers.map(({ data }) => data), ['"v=spf1 include:_spf.lab.test ~all" "second \\"quoted\\" string"'])
  t.same(read('mail').replies[0]!.answers.map(({ type, data }) => [type, data]), [['MX', '10 mail.lab.test.']])
  t.same(read('service').replies[0]!.answers.map(({ type, data }) => [type, data]), [['SRV', '10 5 8080 two.lab.test.']])
  t.same(read('alias').replies[0]!.answers.map(({ type, data }) => [type, data]).sort(), [['A', '192.0.2.1'], ['A', '192.0.2.2'], ['CNAME', 'two.lab.test.']])
  t.end()
})

t.test('an answer too large for UDP is read from its second attempt', t => {
  const { truncated, replies } = read('tcp')
  t.equal(truncated, true)
  t.match(replies, [{ transport: 'tcp', status: 'NOERROR' }])
  t.equal(replies[0]!.answers.length, 20)
  t.end()
})

t.test('errors of the server are statuses; dig leaves out who sent SERVFAIL', t => {
  t.match(read('servfail').replies, [{ status: 'SERVFAIL', server: null, queryMs: null, answers: [] }])
  t.match(read('refused').replies, [{ status: 'REFUSED' }])
  t.match(read('alias-to-nowhere').replies, [{ status: 'NXDOMAIN', answers: [{ type: 'CNAME', data: 'nowhere.lab.test.' }] }])
  t.end()
})

t.test('no answer from any server is a result with the attempts that were lost', t => {
  const dead = read('unreachable')
  t.same(dead.replies, [])
  t.match(recordedText('dig-unreachable.txt').split('\n')[dead.unreachedLine! - 1], /no servers could be reached/)
  t.match(dead.lost[0], { ip: '192.0.2.1', port: 53, reason: 'timed out', line: 1 })
  t.match(read('connection-refused').lost[0], { reason: 'connection refused' })
  t.match(read('no-ipv6').lost[0], { ip: '2001:db8::1', port: 53, reason: 'network unreachable' })
  t.end()
})

t.test('an answer after lost attempts keeps both', t => {
  const { lost, replies, unreachedLine } = read('first-server-dead')
  t.equal(replies.at(-1)?.status, 'NOERROR')
  t.equal(unreachedLine, null)
  t.ok(lost.length >= 2)
  t.ok(lost.every(({ ip, reason }) => ip === '192.0.2.1' && reason === 'timed out'))
  t.end()
})

t.test('what was cut anywhere is either read the same or refused, never read as an empty answer', t => {
  for (const name of ['answer', 'alias', 'text', 'tcp', 'mail']) {
    const whole = recordedText(`dig-${name}.txt`)
    const expected = JSON.stringify(parseDig(whole).replies[0]!.answers)
    const outcomes = Array.from({ length: whole.length }, (_, length) => {
      try {
        return JSON.stringify(parseDig(whole.slice(0, length)).replies[0]!.answers)
      } catch (error) {
        return (error as Problem).code
      }
    })
    t.same([...new Set(outcomes)].sort(), ['EPH_OUTPUT_UNREADABLE', expected].sort(), name)
  }
  t.end()
})

t.test('words that are not an answer of dig are refused', t => {
  const answer = recordedText('dig-answer.txt')
  const spoiled = {
    nothing: '',
    'an error of its own': 'dig: invalid option\n',
    'a packet that it could not read': ';; Got bad packet: bad label type\n44 bytes\n',
    'a record that is none': answer.replace(/^web\.shop\S+ 5\tIN\tA\t/m, 'web.shop '),
    'a count that differs': answer.replace('ANSWER: 1', 'ANSWER: 2'),
    'no count': answer.replace(/^;; flags:.*$/m, ''),
    'no question': answer.replace(/^;web.*$/m, '')
  }
  for (const [what, text] of Object.entries(spoiled)) {
    t.throws(() => parseDig(text), { code: 'EPH_OUTPUT_UNREADABLE' }, what)
  }
  t.end()
})

t.test('a reply that does not fit into UDP and gets none over TCP tells who did not answer, and how', t => {
  t.match(read('no-tcp'), { truncated: true, replies: [], unreachedLine: Number, lost: [{ ip: '10.99.0.1', reason: 'connection refused' }, {}] })
  t.match(read('tcp-timeout'), { truncated: true, replies: [], unreachedLine: Number, lost: [{ ip: '10.99.0.1', reason: 'timed out' }, {}] })
  t.end()
})

t.test('a server that was passed over is an attempt that was lost', t => {
  t.match(read('servfail-then-timeout').lost, [{ ip: '10.99.0.1', port: 53, reason: 'SERVFAIL', line: 1 }, { ip: '10.96.0.10', reason: 'timed out' }, {}])
  t.end()
})

t.test('a name that is asked as it is has one reply', t => {
  t.match(read('server'), { replies: [{ question: 'web.shop.', status: 'NOERROR', server: { ip: '10.99.0.1' } }], lost: [] })
  t.end()
})

import { t } from 'tap'
import { ProtocolViolation } from '../../src/kubernetes/frame-parser.ts'
import { parseEvent } from '../../src/kubernetes/runner-event.ts'
import { ended, hello } from './fake-runner.ts'

t.test('events are told apart by their first field', async t => {
  t.match(parseEvent(JSON.stringify({ hello })), { kind: 'hello', event: { hello: { protocol: 1 } } })
  t.match(parseEvent('{"started":"r1","pid":17}'), { kind: 'started' })
  t.match(parseEvent('{"output":"r1","stream":"stderr","bytes":65536}'), { kind: 'output', event: { bytes: 65_536 } })
  t.match(parseEvent(ended('r1').toString()), { kind: 'ended', event: { endCause: 'exited' } })
  t.match(parseEvent('{"pong":null}'), { kind: 'pong' })
  t.match(parseEvent('{"closed":true,"holder":1}'), { kind: 'closed' })
  t.match(parseEvent('{"error":"","request":"","code":"bad-frame","message":"x"}'), { kind: 'error' })
})

t.test('fields that are not known yet are let through', async t => {
  t.equal(parseEvent('{"started":"r1","pid":1,"later":true}').kind, 'started')
})

const broken = {
  'no JSON': 'dig: command not found',
  'no object': '[1]',
  null: 'null',
  'an unknown kind': '{"surprise":1}',
  'more than a frame holds': '{"output":"r1","stream":"stdout","bytes":65537}',
  'a negative size': '{"output":"r1","stream":"stdout","bytes":-1}',
  'a fraction': '{"output":"r1","stream":"stdout","bytes":1.5}',
  'a size as text': '{"output":"r1","stream":"stdout","bytes":"5"}',
  'an unknown stream': '{"output":"r1","stream":"stdin","bytes":5}',
  'an end without proof': '{"ended":"r1","exitCode":0}',
  'a hash that is none': ended('r1').toString().replace(/"sha256":"./, '"sha256":"x'),
  'an unknown cause': ended('r1', '', '', { endCause: 'bored' }).toString(),
  'a hello without tools': '{"hello":{"version":"1","protocol":1}}'
}
for (const [what, line] of Object.entries(broken)) {
  t.test(`refuses ${what}`, async t => { t.throws(() => parseEvent(line), ProtocolViolation) })
}

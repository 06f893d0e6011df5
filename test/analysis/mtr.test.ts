import t from 'tap'
import { parseMtr } from '#analysis/mtr.ts'
import { recordedText } from '../support/recorded.ts'

const read = (name: string) => parseMtr(recordedText(`mtr-${name}.txt`), '')
const failed = (name: string) => parseMtr('', recordedText(`mtr-${name}.stderr.txt`))
const end = '198.51.100.138'

t.test('each second is a sample; hosts that are known already are not named again', t => {
  const { permitted, failure, samples } = read('whole')
  t.same({ permitted, failure }, { permitted: true, failure: null })
  const path = ['10.244.0.1', '198.51.100.130', '198.51.100.134', end]
  t.same(samples.map(hops => hops.map(({ answers: [answer] }) => answer!.ip)), [[...path, end], path, path], 'it looks one hop further at first')
  t.match(samples[0]![0], { hop: 1, answers: [{ ms: Number, mark: null }], line: 1 })
  t.match(recordedText('mtr-whole.txt').split('\n')[samples[1]![0]!.line - 1], /^x 0 /)
  t.end()
})

t.test('silence is a result', t => {
  const { samples } = read('loss')
  t.same(samples.map(hops => hops.slice(2, 4).map(({ answers: [answer] }) => answer!.ip ?? '*')), [
    ['*', end], ['*', end], ['198.51.100.134', '*'], ['198.51.100.134', end], ['*', end], ['198.51.100.134', '*']
  ])
  t.same(read('ends').samples[0]!.slice(3).filter(({ answers: [answer] }) => answer!.ip !== null), [])
  t.end()
})

t.test('a router that answers for hops behind it refuses', t => {
  const [sample] = read('unreachable').samples
  t.match(sample![2], { hop: 3, answers: [{ ip: '198.51.100.134', mark: null }] })
  t.match(sample!.find(({ answers: [answer] }) => answer!.mark !== null), { answers: [{ ip: '198.51.100.134' }] })
  t.end()
})

t.test('that nothing could be sent is a result', t => {
  t.strictSame(failed('no-way'), { permitted: true, failure: 'Network is unreachable', samples: [] })
  t.strictSame(failed('not-permitted'), { permitted: false, failure: null, samples: [] })
  t.end()
})

t.test('what does not add up is unreadable', t => {
  for (const text of ['', 'p 0 97 33000\n', 'x 0 33000\np 0 97 33000\n', 'x 0 33000\nh 0 10.0.0.1\np 0 97 33001\n', 'Start: now\n']) {
    t.throws(() => parseMtr(text, ''), { code: 'EPH_OUTPUT_UNREADABLE' }, JSON.stringify(text))
  }
  t.end()
})

import t from 'tap'
import { createRecent } from '../../src/jobs/recent.ts'

t.test('a value is read once for all who ask while it is on its way, and while it is fresh', async t => {
  const recent = createRecent<number>(60_000)
  let reads = 0
  const read = async () => ++reads
  t.same(await Promise.all([recent.of('a', read), recent.of('a', read)]), [1, 1])
  t.equal(await recent.of('a', read), 1)
  t.equal(await recent.of('b', read), 2, 'keys are apart')
  recent.remember('a', 9)
  t.equal(await recent.of('a', read), 9)
})

t.test('a value that is too old is read again', async t => {
  const recent = createRecent<number>(-1)
  let reads = 0
  const read = async () => ++reads
  t.equal(await recent.of('a', read), 1)
  t.equal(await recent.of('a', read), 2)
})

t.test('a failure is never given again', async t => {
  const recent = createRecent<number>(60_000)
  await t.rejects(recent.of('a', async () => { throw new Error('lost') }), { message: 'lost' })
  t.equal(await recent.of('a', async () => 1), 1)
})

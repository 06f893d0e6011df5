import t from 'tap'
import type { JobEvent } from '#core/ports/storage.ts'
import { drive } from '../support/drive.ts'
import { caller } from '../support/fake-ports.ts'
import { until } from '../support/until.ts'

t.test('a job that waits tells its followers where it stands, when that changes, and no more when it runs', async t => {
  const { context: { database: { jobs } }, useCases, launch } = drive(t, { works: false })
  const { id } = await launch()
  const asked: string[][] = []
  let place = 3
  jobs.queuePositions = async ids => {
    asked.push(ids)
    return new Map(ids.map(id => [id, place]))
  }
  const followed = Array.from({ length: 5 }, () => [] as JobEvent[])
  const ending = new AbortController()
  const following = followed.map(async events => {
    for await (const event of await useCases.events(caller, id, { afterSeq: 0, signal: ending.signal })) events.push(event)
  })
  const positions = (events: JobEvent[]) => events.filter(({ type }) => type === 'queue').map(({ data }) => data.position)
  await until(() => followed.every(events => positions(events).length === 1))
  place = 2
  await until(() => followed.every(events => positions(events).length === 2))
  for (const events of followed) {
    t.strictSame(positions(events), [3, 2])
    t.strictSame(events.map(({ seq }) => seq), [1, 1, 1], 'the number of the event before: it is not kept')
  }
  t.ok(asked.every(ids => ids.length === 1), 'five followers of one job ask as one')
  const [claim] = await jobs.claim('w', 1)
  await jobs.finish(claim!, { state: 'succeeded', verdict: 'pass', error: null, report: {}, findings: [] })
  await Promise.all(following)
  const times = asked.length
  t.match(followed[0]!.at(-1), { type: 'end' })
  t.strictSame(positions(followed[0]!), [3, 2])
  t.equal(asked.length, times)
  ending.abort()
})

t.test('a position that cannot be read is told at the next look', async t => {
  const { context: { database: { jobs } }, useCases, launch } = drive(t, { works: false })
  const { id } = await launch()
  let times = 0
  jobs.queuePositions = async ids => {
    if (times++ === 0) throw new Error('away')
    return new Map(ids.map(id => [id, 1]))
  }
  for await (const { type, data } of await useCases.events(caller, id, { afterSeq: 0, signal: AbortSignal.timeout(20_000) })) {
    if (type !== 'queue') continue
    t.strictSame(data, { position: 1 })
    break
  }
  t.ok(times > 1)
})

import t from 'tap'
import { draftJob, draftPod, measured } from '../support/job-drafts.ts'
import { startPostgres } from '../support/postgres.ts'

const { openDatabase } = await startPostgres(t)

t.test('positions are the order in which pods are claimed', async t => {
  const { jobs } = await openDatabase(t, { limits: { caller: 100, namespace: 100, node: 100 } })
  const add = async (nth: number) => (await jobs.create(draftJob({
    username: ['flood', 'flood', 'flood', 'ada', 'bob'][nth % 5]!, priority: nth % 3 ? 'automatic' : 'interactive'
  }))).job.id
  const ids: string[] = []
  for (let nth = 0; nth < 40; nth++) ids.push(await add(nth))
  const [running] = await jobs.claim('w', 1)
  const waiting = ids.filter(id => id !== running!.jobId)
  const positions = await jobs.queuePositions(ids)
  t.strictSame([...positions.values()].sort((a, b) => a - b), waiting.map((_, nth) => nth + 1))
  const claimed: string[] = []
  for (let [claim] = await jobs.claim('w', 1); claim; [claim] = await jobs.claim('w', 1)) claimed.push(claim.jobId)
  t.strictSame(claimed, waiting.sort((a, b) => positions.get(a)! - positions.get(b)!))
})

t.test('a job of several pods stands where its first one does, and one that does not wait stands nowhere', async t => {
  const { jobs } = await openDatabase(t)
  const { job: first } = await jobs.create(draftJob())
  const { job } = await jobs.create(draftJob({ pods: [draftPod(), draftPod(), draftPod()] }))
  t.strictSame([...await jobs.queuePositions([job.id])], [[job.id, 2]])
  t.equal(await jobs.countQueued('ada'), 4)
  const [claim] = await jobs.claim('w', 1)
  t.strictSame([...await jobs.queuePositions([first.id, job.id])], [[job.id, 1]])
  await jobs.finish(claim!, measured())
  t.strictSame([...await jobs.queuePositions([])], [])
})

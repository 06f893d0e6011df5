import t from 'tap'
import { drawPlan } from '../faults/plan.ts'
import { runPlan } from '../faults/run-plan.ts'

/** Drawn anew for each day: what fails prints it. */
const seed = Number(process.env.SEED) || Math.floor(Date.now() / 86_400_000)

t.test('a seed draws the same plan each time, and the next one another', async t => {
  const options = { seed, seconds: 8, pods: 3, callers: 4, jobs: 10, faults: 10, kills: true, silence: true }
  t.same(drawPlan(options), drawPlan(options))
  t.notSame(drawPlan(options).faults, drawPlan({ ...options, seed: seed + 1 }).faults)
})

t.test(`what callers were told is true, and nothing is lost, done twice or left behind, whatever fails by seed ${seed}`, async t => {
  const plan = drawPlan({ seed, seconds: 8, pods: 3, callers: 4, jobs: 100, faults: 6, kills: false, silence: false })
  const { violations, trace, figures } = await runPlan(t, plan, { patienceSeconds: 90, say () {} })
  if (violations.length > 0) t.comment(`SEED=${seed}\n${trace.join('\n')}`)
  t.same(violations, [])
  t.comment(JSON.stringify(figures))
  t.ok(figures.acknowledged! > 50 && figures.executions! > 50 && figures.kills! >= 3, 'jobs were measured, and processes killed')
})

import t from 'tap'
import { startPostgres } from '../support/postgres.ts'
import { createRandom } from './random.ts'
import { explore, seedsFrom } from './explore.ts'
import type { Outcome } from './run-schedule.ts'
import { safeguards } from './safeguards.ts'
import { drawSchedule } from './schedule.ts'

/** Drawn anew for each day: what fails prints its seed. */
const first = Math.floor(Date.now() / 86_400_000) * 10_000
const schedules = 24
/** Without a safeguard, so many schedules at the most until it is missed: the rarest is missed in one of six. */
const attempts = 150

const server = await startPostgres(t)

t.test('a seed draws the same schedule each time, and the next one another', async t => {
  t.same(drawSchedule(7), drawSchedule(7))
  t.notSame(drawSchedule(7), drawSchedule(8))
  const draw = (name: string) => createRandom(7, name).integer(0, 1e9)
  t.equal(draw('one'), draw('one'))
  t.not(draw('one'), draw('two'))
})

t.test(`no invariant is violated by ${schedules} schedules from seed ${first}`, async t => {
  const seen: Outcome[] = []
  await explore(t, server, {
    seeds: seedsFrom(first, schedules),
    lanes: 4,
    done (outcome) {
      seen.push(outcome)
      return outcome.violations.length > 0
    }
  })
  for (const { seed, violations, trace } of seen) {
    if (violations.length > 0) t.comment(`SEED=${seed} npm run test:schedules\n${trace.join('\n')}`)
    t.same(violations, [], `seed ${seed}`)
  }
  t.ok(seen.some(({ faults }) => faults > 0) && seen.some(({ runs }) => runs > 0), 'processes failed, and tools ran')
})

for (const [name, without] of Object.entries(safeguards)) {
  t.test(`without a safeguard (${name}) an invariant is violated`, async t => {
    const missed: Outcome[] = []
    await explore(t, server, {
      seeds: seedsFrom(1, attempts),
      lanes: 2,
      patienceSeconds: 4,
      without,
      done (outcome) {
        if (outcome.violations.some(violation => without.finds.test(violation))) missed.push(outcome)
        return missed.length > 0
      }
    })
    const [found] = missed
    t.ok(found, `missed within ${attempts} schedules`)
    if (found) t.comment(`${name}: seed ${found.seed}: ${found.violations.find(violation => without.finds.test(violation))}`)
  })
}

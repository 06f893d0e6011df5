import { parseArgs } from 'node:util'
import type { Test } from 'tap'
import { drawLoad } from './load.ts'
import { drawPlan, type Plan } from './plan.ts'
import { runPlan } from './run-plan.ts'
import { safeguards } from '../schedules/safeguards.ts'

const sqlSafeguards = Object.keys(safeguards).filter(name => safeguards[name]!.sql)
const usage = `usage: npm run test:faults [-- [--seed S] [--minutes M] [--only random|load|cases] [--without SAFEGUARD] [--verbose]]
Runs the real service, an API and two workers, with real Postgres, Redis, S3 and the lab, a fault proxy in front of each, and SIGKILL of
each process at drawn times; then asks whether what callers were told is true, and whether anything was lost, done twice or left behind.
  random   a schedule that is drawn by the seed, of M minutes (2); the same seed and minutes draw it again
  load     1,000 jobs of 20 callers over 20 pods, and every 10 s one of the workers is killed
  cases    the named cases of test/faults/README.md
--without takes a safeguard of the database away, to see that it is missed: ${sqlSafeguards.join(', ')}
`

const { values } = parseArgs({
  options: {
    without: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string', default: '2' },
    only: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' }
  }
})

const number = (name: string, text: string): number => {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw new Error(`Cannot use --${name} "${text}": it is no number from 1`)
  return Number(text)
}

const without = values.without === undefined ? undefined : safeguards[values.without]
if (values.without !== undefined && !without?.sql) throw new Error(`Cannot go without "${values.without}": see --help`)

interface Part { name: string, plan: Plan, patienceSeconds: number }

/** One part from its servers to its verdict; answers whether everything held. */
async function play ({ name, plan, patienceSeconds }: Part): Promise<boolean> {
  const closes: (() => unknown)[] = []
  /** The helpers of tests tidy up after a test; here after the part. */
  const lifetime = { teardown: (close: () => unknown) => { closes.unshift(close) } } as unknown as Test
  const say = (line: string) => { if (values.verbose) console.error(line) }
  try {
    const { violations, trace, figures } = await runPlan(lifetime, plan, { patienceSeconds, say, without })
    if (violations.length > 0 && !values.verbose) console.error(trace.join('\n'))
    console.log(`${name}: ${Object.entries(figures).map(([what, count]) => `${count} ${what}`).join(', ')}`)
    for (const violation of violations) console.log(`  ! ${violation}`)
    return violations.length === 0
  } finally {
    for (const close of closes) await close()
  }
}

async function main (): Promise<void> {
  const seed = values.seed === undefined ? Math.floor(Date.now() / 1000) % 1_000_000 : number('seed', values.seed)
  const minutes = number('minutes', values.minutes)
  const seconds = minutes * 60
  const parts: Part[] = [
    { name: 'random', plan: drawPlan({ seed, seconds, pods: 6, callers: 8, jobs: minutes * 120, faults: minutes * 14, kills: true, silence: true }), patienceSeconds: 120 },
    { name: 'load', plan: drawLoad(seed), patienceSeconds: 240 }
  ]
  console.log(`seed ${seed}; npm run test:faults -- --seed ${seed} --minutes ${minutes} plays the same again`)
  for (const part of parts) {
    if (values.only !== undefined && values.only !== part.name) continue
    if (!await play(part)) process.exitCode = 1
  }
}

if (values.help) console.log(usage)
else await main()

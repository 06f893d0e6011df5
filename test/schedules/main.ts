import { parseArgs } from 'node:util'
import { startPostgres } from '../support/postgres.ts'
import { explore, seedsFrom, type Closing } from './explore.ts'
import { safeguards } from './safeguards.ts'

const usage = `usage: npm run test:schedules [-- --schedules N] [--seed S] [--lanes L] [--without SAFEGUARD]
Runs src/jobs on a real Postgres through N schedules (1000) of crashes, delays and lies, seeds S, S + 1, … (by default another S each day).
--seed S (or SEED=S) alone replays that one schedule. --without takes a safeguard away, to see that it is missed:
${Object.keys(safeguards).map(name => `  ${name}\n`).join('')}`

const { values } = parseArgs({
  options: {
    schedules: { type: 'string' },
    seed: { type: 'string', ...process.env.SEED ? { default: process.env.SEED } : {} },
    lanes: { type: 'string', default: '6' },
    without: { type: 'string' },
    verbose: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' }
  }
})

const number = (name: string, text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`Cannot use --${name} "${text}": it is no number`)
  return Number(text)
}

async function main (t: Closing): Promise<void> {
  const replays = values.seed !== undefined && values.schedules === undefined
  const count = number('schedules', values.schedules ?? (replays ? '1' : '1000'))
  const first = values.seed === undefined ? Math.floor(Date.now() / 86_400_000) * 10_000 : number('seed', values.seed)
  const without = values.without === undefined ? undefined : safeguards[values.without]
  if (values.without !== undefined && !without) throw new Error(`Cannot go without "${values.without}": see --help`)

  const server = await startPostgres(t)
  const begun = performance.now()
  const sums = { schedules: 0, jobs: 0, runs: 0, faults: 0, violated: 0 }
  const say = (text: string) => { process.stderr.write(text) }
  await explore(t, server, {
    seeds: seedsFrom(first, count),
    lanes: Math.min(number('lanes', values.lanes), count),
    ...without ? { without } : {},
    done ({ seed, violations, trace, jobs, runs, faults }) {
      sums.schedules++
      sums.jobs += jobs
      sums.runs += runs
      sums.faults += faults
      if (sums.schedules % 50 === 0) say(`${sums.schedules} of ${count} schedules\n`)
      if (violations.length > 0) {
        sums.violated++
        say(`\nseed ${seed}:\n${violations.map(line => `  ! ${line}\n`).join('')}replay: SEED=${seed} npm run test:schedules\n`)
      }
      if (violations.length > 0 || replays || values.verbose) say(`${trace.map(line => `  ${line}\n`).join('')}\n`)
      return sums.violated >= (without ? 1 : 3)
    }
  })
  const perSecond = (sums.schedules / ((performance.now() - begun) / 1000)).toFixed(1)
  console.log(`${sums.schedules} schedules from seed ${first}, ${perSecond} a second: ${sums.jobs} acknowledgements, ${sums.runs} tools started, ` +
    `${sums.faults} faults of processes, ${sums.violated} with a violated invariant`)
  process.exitCode = sums.violated > 0 ? 1 : 0
}

const closes: (() => unknown)[] = []
if (values.help) console.log(usage)
else {
  try {
    await main({ teardown: close => { closes.unshift(close) } })
  } finally {
    for (const close of closes) await close()
  }
}

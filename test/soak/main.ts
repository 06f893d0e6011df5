import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import type { Test } from 'tap'
import { createCallers } from '../faults/callers.ts'
import type { Kind } from '../faults/commands.ts'
import { supervise } from '../faults/process.ts'
import { environment } from '../faults/run-plan.ts'
import { makePlace, startServers } from '../faults/servers.ts'
import { openTally } from '../faults/tally.ts'
import { createRandom } from '../schedules/random.ts'
import { createSampler } from './sample.ts'
import { describe, judge } from './judge.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
if (!/^[1-9]\d{0,3}$/.test(values.minutes)) throw new Error(`Cannot use --minutes "${values.minutes}": it is no number from 1`)
const minutes = Number(values.minutes)

const pods = 4
const callerCount = 6
const kinds: Record<Kind, number> = { quick: 8, slow: 3, once: 3, big: 1, overdue: 1, capture: 3, lookup: 4 }

const closes: (() => unknown)[] = []
/** The helpers of tests tidy up after a test; here after the run. */
const lifetime = { teardown: (close: () => unknown) => { closes.unshift(close) } } as unknown as Test

async function main (): Promise<void> {
  const tally = await openTally(lifetime)
  const servers = await startServers(lifetime)
  const place = makePlace(lifetime, { pods, callers: callerCount })
  const processes = await Promise.all([
    supervise(lifetime, { name: 'api', role: 'server', servers, env: environment }),
    supervise(lifetime, { name: 'worker-0', role: 'worker', servers, env: environment }),
    supervise(lifetime, { name: 'worker-1', role: 'worker', servers, env: environment })
  ])
  const db = new pg.Client({ connectionString: servers.postgres })
  await db.connect()
  lifetime.teardown(() => db.end())

  const everyMs = Math.max(1000, minutes * 60_000 / 120)
  const until = Date.now() + minutes * 60_000
  const over = new AbortController()
  const callers = createCallers({ url: processes[0].url, place, tally: tally.address, signal: over.signal })
  const sampler = createSampler({ processes, db, folder: servers.s3.folder })
  let jobs = 0

  /** One job after another, for as long as it lasts. */
  async function load (caller: number): Promise<void> {
    const random = createRandom(caller, 'soak')
    while (Date.now() < until) {
      const word = `w${caller}x${jobs++}x`
      const kind = random.weighed(kinds)
      await callers.live({
        kind,
        word,
        seconds: random.integer(1, 3),
        lines: random.integer(1, 4000),
        caller,
        pods: [random.integer(0, pods - 1)],
        key: random.chance(0.5) ? word : null,
        copies: 1,
        atMs: 0,
        cancelAfterMs: random.chance(0.1) ? random.integer(0, 1000) : null,
        finishAfterMs: kind === 'capture' && random.chance(0.3) ? 500 : null,
        followed: true
      })
    }
  }

  const loads = Array.from({ length: callerCount }, (_, caller) => load(caller))
  while (Date.now() < until) {
    await delay(everyMs)
    await sampler.sample()
    if (sampler.series[0]!.values.length % 12 === 0) console.error(`${jobs} jobs, ${Math.round((until - Date.now()) / 1000)} s left`)
  }
  await Promise.all(loads)
  over.abort()
  const judged = sampler.series.map(judge)
  console.log(`${minutes} minutes, ${jobs} jobs, ${tally.executions.length} tools, ${sampler.series[0]!.values.length} samples\n${describe(judged)}`)
  for (const wrong of [...callers.wrong, ...processes.flatMap(({ unasked }) => unasked)]) {
    console.log(`! ${wrong}`)
    process.exitCode = 1
  }
  if (judged.some(({ grows }) => grows)) process.exitCode = 1
}

try {
  await main()
} finally {
  for (const close of closes) await close()
}

import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { mutate, type Safeguard } from '../schedules/safeguards.ts'
import { createCallers } from './callers.ts'
import { describeFault, processNames, type Plan, type ProcessName } from './plan.ts'
import { supervise, type Supervised } from './process.ts'
import { makePlace, startServers } from './servers.ts'
import { strike } from './strike.ts'
import { openTally } from './tally.ts'
import { findViolations } from './violations.ts'
import { runningWords, watchCommands } from './watch-commands.ts'

export const budget = 10
/** The least that there is: what a killed worker held is to come back soon. */
const leaseSeconds = 15
const graceMs = 10_000
/** A worker looks for objects without a row each 5 s. */
const tidySeconds = 15
/** What the runner waits for a word of ours, on a connection that went half open. */
const silenceMs = 60_000

/** Of each process of the suite. */
export const environment = {
  EPHEMERA_LEASE_SECONDS: `${leaseSeconds}`,
  EPHEMERA_STALL_SECONDS: '20',
  EPHEMERA_BUDGET: `${budget}`,
  EPHEMERA_REQUESTS_PER_MINUTE: '1000000',
  ...Object.fromEntries(['CALLER', 'NAMESPACE', 'NODE'].map(name => [`EPHEMERA_LIMIT_${name}`, '64']))
}

export interface Outcome {
  violations: string[]
  trace: string[]
  /** Of jobs, by state; of launches that were acknowledged; and of what befell. */
  figures: Record<string, number>
}

interface RunOptions {
  /** How long all may take to become final, once nothing breaks any more. */
  patienceSeconds: number
  say (line: string): void
  /** Taken away from the database, to see that it is missed. */
  without?: Safeguard | undefined
}

/** Simulated: the minutes after which objects without a row are deleted. The sweep takes a second for wake-ups that nobody has answered. */
async function passTime (db: pg.Client): Promise<void> {
  await db.query("UPDATE artifact SET sealed_at = sealed_at - interval '1 hour' WHERE pending <> '{}'")
  const isTidy = async () => (await db.query("SELECT FROM artifact WHERE pending <> '{}' LIMIT 1")).rows.length === 0
  await delay(1500)
  for (const end = Date.now() + tidySeconds * 1000; !await isTidy() && Date.now() < end;) await delay(200)
}

/** Plays a plan on real servers and the lab, waits until all is final, and looks at everything. */
export async function runPlan (t: Test, plan: Plan, { patienceSeconds, say, without }: RunOptions): Promise<Outcome> {
  const { seed, pods, callers: callerCount, silence } = plan.options
  const begun = Date.now()
  const trace: string[] = []
  const tell = (line: string) => {
    const text = `${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${line}`
    trace.push(text)
    say(text)
  }
  const tally = await openTally(t)
  const servers = await startServers(t)
  const starting = Promise.all(processNames.map(name =>
    supervise(t, { name, role: name === 'api' ? 'server' : 'worker', servers, env: environment })))
  starting.catch(() => {}) // met below
  const place = makePlace(t, { pods, callers: callerCount })
  const processes = Object.fromEntries((await starting).map(process => [process.name, process])) as Record<ProcessName, Supervised>
  const db = new pg.Client({ connectionString: servers.postgres })
  await db.connect()
  t.teardown(() => db.end())
  if (without) await mutate(db, without)

  const over = new AbortController()
  const callers = createCallers({ url: processes.api.url, place, tally: tally.address, signal: over.signal })
  const watched = watchCommands()
  t.teardown(watched.stop)
  tell(`${plan.jobs.length} launches and ${plan.faults.length} faults begin`)
  const lives = Promise.all(plan.jobs.map(async job => {
    await delay(job.atMs)
    await callers.live(job)
  }))
  await Promise.all(plan.faults.map(async fault => {
    await delay(fault.atMs)
    tell(describeFault(fault))
    await strike(fault, { processes, redis: servers.redis, seed })
  }))
  tell('all is mended')

  const until = Date.now() + patienceSeconds * 1000
  const isLate = () => Date.now() > until
  const isFinal = async () => (await db.query('SELECT FROM job WHERE finished_at IS NULL LIMIT 1')).rows.length === 0
  await Promise.race([lives, delay(patienceSeconds * 1000, undefined, { ref: false })])
  while (!await isFinal() && !isLate()) await delay(100)
  await callers.readRest()
  over.abort()
  await lives
  tell('all is final, or too late')
  const patienceMs = silence ? silenceMs + graceMs : graceMs
  for (const end = Date.now() + patienceMs; runningWords().size > 0 && Date.now() < end;) await delay(200)
  const left = [...runningWords()]
  watched.stop()
  await passTime(db)

  const { told, wrong } = callers
  const found = await findViolations({
    db,
    folder: servers.s3.folder,
    namespace: place.namespace,
    commands: plan.jobs,
    told,
    executions: tally.executions,
    lastSeen: watched.lastSeen,
    graceMs: patienceMs,
    budget
  })
  tell('looked at')
  const all = Object.values(processes)
  for (const [what, some] of Map.groupBy(told, ({ what, status, code }) => `${what} ${status} ${code ?? ''}`)) tell(`answers to ${what}: ${some.length}`)
  const states = await db.query<{ state: string, count: string }>('SELECT coalesce(error->>\'code\', state) AS state, count(*) FROM job GROUP BY 1 ORDER BY 1')
  const acknowledged = new Set(told.filter(({ what, status, id }) => what === 'launch' && status < 300 && id).map(({ id }) => id))
  const unheard = plan.jobs.filter(({ key, word }) => key && !told.some(answer => answer.word === word && answer.id && answer.what === 'launch'))
  return {
    violations: [
      ...found,
      ...wrong,
      ...all.flatMap(({ unasked }) => unasked),
      ...left.map(word => `a command still runs: ${word}`),
      ...unheard.map(({ word }) => `a launch was never acknowledged, though it was asked for again and again: ${word}`)
    ],
    trace,
    figures: {
      acknowledged: acknowledged.size,
      ...Object.fromEntries(states.rows.map(({ state, count }) => [state, Number(count)])),
      executions: tally.executions.length,
      answers: told.length,
      'without an answer': told.filter(({ status }) => status === 0).length,
      kills: all.reduce((sum, { kills }) => sum + kills, 0),
      'faulty answers': all.reduce((sum, { answers }) => sum + answers.bucket.met + answers.cluster.met, 0)
    }
  }
}

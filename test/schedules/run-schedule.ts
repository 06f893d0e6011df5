import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { JobRequest } from '#core/job.ts'
import type { Database } from '#core/ports/storage.ts'
import type { Context } from '#jobs/context.ts'
import { createUseCases } from '#jobs/create-use-cases.ts'
import { createWorker, type Worker } from '#jobs/worker.ts'
import { principalOf } from '../support/job-drafts.ts'
import { findViolations, type Acknowledged } from './invariants.ts'
import { createProcess, type Process } from './process.ts'
import { describeSchedule, drawSchedule, type Fate, type PlannedJob, type Schedule } from './schedule.ts'
import { passTime } from './time.ts'
import { createWorld } from './world.ts'

export interface Ground {
  /** As two processes of ours would open the same database. */
  databases: [Database, Database]
  /** Past all stores. */
  db: pg.Pool
  /** What is taken away from each process. */
  without: (context: Context) => Context
  /** What is changed in each schedule that was drawn. */
  provoke: (schedule: Schedule) => Schedule
  /** How long a schedule may take until everything is final. */
  patienceSeconds: number
}

export interface Outcome { seed: number, violations: string[], trace: string[], jobs: number, runs: number, faults: number }

const tickMs = 15
const tries = 5

/** One schedule from its first request until all is final; then asks whether everything holds. */
export async function runSchedule (seed: number, { databases, db, patienceSeconds, without, provoke }: Ground): Promise<Outcome> {
  const schedule = provoke(drawSchedule(seed))
  const begun = performance.now()
  const trace = describeSchedule(schedule)
  const tell = (line: string) => { trace.push(`${(performance.now() - begun).toFixed(0).padStart(6)} ms  ${line}`) }
  const world = createWorld(schedule, databases[0], tell)
  const contexts = databases.map(database => ({ ...world.context, database }))
  const spawn = (name: string, nth: number, fate: Fate | null = null) => {
    const process = createProcess({ name, seed, fate, troubles: schedule.troubles, trace: tell })
    return { process, context: without(process.contextOf(contexts[nth % 2]!)) }
  }

  const apis = [spawn('api-0', 0, schedule.api), spawn('api-1', 1)].map(api => ({ ...api, useCases: createUseCases(api.context) }))
  const workers = [...schedule.workers, null].map((fate, nth) => {
    const { process, context } = spawn(`worker-${nth}`, nth, fate)
    return { process, worker: createWorker(context) }
  })
  const started = workers.slice(0, -1).map(({ worker }) => worker.start())
  const acknowledged: Acknowledged[] = []

  /** A caller that got no answer asks again, elsewhere, if its key makes that safe. */
  async function submit ({ word, key, caller, diagnostic, pod, shares }: PlannedJob, copy: number): Promise<string | null> {
    const target = { namespace: 'shop', ...pod ? { pod } : { labelSelector: 'app=web' } }
    const request: JobRequest = { diagnostic, target, params: { word }, ...shares ? { maxAgeSeconds: 60 } : {} }
    for (let nth = 0; nth < tries; nth++) {
      const { useCases, process } = apis[(copy + nth) % 2]!
      const asked = useCases.submit(principalOf(caller), request, { idempotencyKey: key })
      const answer = await Promise.race([asked, process.died.then(() => null)]).catch((error: Error) => { tell(`${word}: ${error.message}`) })
      if (answer) {
        acknowledged.push({ id: answer.job.id, word, key })
        tell(`${word} is acknowledged${answer.replayed ? ' again' : ''} as ${answer.job.id}`)
        return answer.job.id
      }
      if (!key) return null
      await delay(tickMs)
    }
    return null
  }

  async function live (job: PlannedJob): Promise<void> {
    await delay(job.afterMs)
    const ids = await Promise.all(Array.from({ length: job.copies }, (_, copy) => submit(job, copy)))
    const id = ids.find(id => id !== null)
    if (!id) return
    const { useCases } = apis[1]!
    const steer = async (order: 'cancel' | 'finish', afterMs: number | null) => {
      if (afterMs === null) return
      await delay(afterMs)
      await useCases[order](principalOf(job.caller), id).then(() => tell(`${order} ${job.word}`), (error: Error) => tell(`${order} ${job.word}: ${error.message}`))
    }
    await Promise.all([steer('cancel', job.cancelAfterMs), steer('finish', job.finishAfterMs), job.expires && passTime.expire(db, id)])
  }

  let isOver = false
  const lives = Promise.all(schedule.jobs.map(live)).finally(() => { isOver = true })
  await settle()
  await lives

  /** Time passes for what is lost, and a healthy process sweeps, until all is final. */
  async function settle (): Promise<void> {
    const until = Date.now() + patienceSeconds * 1000
    const [, healthy] = contexts
    const { process, worker: last } = workers.at(-1)!
    for (let joins = false; Date.now() < until; await delay(tickMs)) {
      for (const { process, worker } of workers) {
        const taken = await passTime.over(db, process, worker.name)
        if (process.isIll && taken) process.heal()
      }
      await Promise.all(apis.map(({ process }) => passTime.over(db, process, null)))
      if (apis[0]!.process.isIll) apis[0]!.process.heal()
      await healthy!.database.jobs.sweep()
      // A worker that nothing happens to comes only now: else it would do everything.
      if (isOver && !joins) {
        joins = true
        tell(`${process.name} joins`)
        started.push(last.start())
      }
      if (!isOver) continue
      const { rows } = await db.query('SELECT FROM job WHERE finished_at IS NULL LIMIT 1')
      if (rows.length === 0) return
    }
    tell(`not final after ${patienceSeconds} s`)
  }

  for (const { process } of [...workers, ...apis]) process.heal()
  // The living write down what they still know, the fenced off too: it must change nothing.
  await Promise.all(workers.filter(({ process }) => !process.isDead).map(({ worker }) => worker.stop(1)))
  for (const { process } of [...workers, ...apis]) await passTime.over(db, process, null)
  await passTime.relay(db, contexts[1]!.database)
  const violations = await findViolations({ db, world, acknowledged })
  await endAll(workers)
  for (const { process } of apis) process.bury()
  await Promise.allSettled(started)
  return {
    seed,
    violations,
    trace,
    jobs: acknowledged.length,
    runs: world.executions.length,
    faults: trace.filter(line => /: (?:crash|cutOff|freeze) (?:at|after) |no answer to/.test(line)).length
  }
}

async function endAll (workers: { process: Process, worker: Worker }[]): Promise<void> {
  for (const { process } of workers) process.bury()
  await Promise.all(workers.filter(({ process }) => process.wasKilled).map(({ worker }) => worker.stop(0)))
}

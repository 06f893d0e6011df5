import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { Problem } from '#core/errors.ts'
import { isFinal, type Job } from '#core/job.ts'
import { createUseCases } from '#jobs/create-use-cases.ts'
import { createSessionTending } from '#jobs/tend-sessions.ts'
import { createWorker } from '#jobs/worker.ts'
import { lookup } from '../support/drive.ts'
import { app, caller, createFakePorts, reference } from '../support/fake-ports.ts'
import { connect, startPostgres } from '../support/postgres.ts'
import { examplePod } from '../support/recorded-probe.ts'

// Days are simulated; src/jobs and Postgres are real, and holders leave as the runner's do.
const { openDatabase } = await startPostgres(t)
const runnerMain = readFileSync(new URL('../../toolbox/runner/main.go', import.meta.url), 'utf8')
const idleHours = Number(/"idle", (\d+)\*time\.Hour/.exec(runnerMain)?.[1])
const catalogue = new Map([lookup(), lookup({ name: 'raw', profiles: ['netraw'] })].map(diagnostic => [diagnostic.name, diagnostic]))

async function pretend (t: Test) {
  const { url } = await openDatabase(t)
  const db = await connect(t, url)
  const pods = [examplePod({ containers: [app] })]
  const [pod] = pods
  const servedAt = new Map<string, number>()
  let hours = 0

  /** A process of ours that knows these images, the current one first. */
  async function startReplica (...images: string[]) {
    const database = await openDatabase(t, { url })
    const { context, cluster, channels } = createFakePorts(catalogue, { budget: 10, images: [{ name: 'toolbox', references: images.map(reference) }] })
    cluster.pods = pods
    const find = (name: string) => pod!.ephemeral.find(container => container.name === name)!
    channels.opening = async ({ container }) => {
      if (!find(container).running) throw new Problem('EPH_CONTAINER_NOT_STARTED', 'Cannot use the container: it has ended')
      servedAt.set(container, hours)
    }
    channels.channels.postMortem = async ({ container }) => find(container).running ? 'unknown' : 'containerEnded'
    const useCases = createUseCases({ ...context, database })
    return {
      tend: createSessionTending({ ...context, database }),
      /** Both diagnostics once, by a worker that is new each time. */
      async work (): Promise<void> {
        const worker = createWorker({ ...context, database })
        await worker.start()
        for (const diagnostic of catalogue.keys()) {
          const { job } = await useCases.submit(caller, { diagnostic, target: { namespace: 'shop', pod: 'web' } }, { idempotencyKey: null })
          const done: Job = await useCases.wait(caller, job.id, { seconds: 20, signal: new AbortController().signal })
          if (!isFinal(done.state) || done.state !== 'succeeded') throw new Error(`${hours} h: ${JSON.stringify(done.pods.items[0]?.error ?? done.state)}`)
        }
        await worker.stop(1)
      }
    }
  }

  return {
    startReplica,
    added: () => pod!.ephemeral.map(({ image, running }) => `${image.at(-1)}${running ? '' : ' ended'}`),
    /** Time passes: in the database by what it has written being older. */
    async sleep (days: number): Promise<void> {
      for (const end = hours + days * 24; hours < end; hours++) {
        for (const container of pod!.ephemeral) {
          if (hours - servedAt.get(container.name)! >= idleHours) Object.assign(container, { running: false, exitReason: 'Completed' })
        }
      }
      await db.query('UPDATE session SET last_used_at = last_used_at - make_interval(days => $1), opened_at = opened_at - make_interval(days => $1)', [days])
    },
    /** Names of the containers whose rows say that they live, and of those that do. */
    async living (): Promise<[string[], string[]]> {
      const { rows } = await db.query<{ name: string }>("SELECT ephemeral_container AS name FROM session WHERE state <> 'closed' ORDER BY 1")
      return [rows.map(({ name }) => name), pod!.ephemeral.filter(({ running }) => running).map(({ name }) => name).sort()]
    }
  }
}

t.test('30 days of daily use with two profiles, two upgrades and a restart a day add at most 4 containers', async t => {
  t.ok(idleHours >= 24, `${idleHours}`)
  const { startReplica, sleep, added, living } = await pretend(t)
  let images = ['a']
  let replica = await startReplica(...images)
  for (let day = 1; day <= 30; day++) {
    await sleep(1)
    const before = images
    if (day === 10) images = ['b', 'a']
    if (day === 20) images = ['c', 'b']
    // While an upgrade rolls out, both versions measure.
    if (before !== images) {
      const next = await startReplica(...images)
      await next.work()
      if (day === 10) await replica.work()
      replica = next
    }
    await replica.work()
    if (day === 19) t.same(added(), ['a', 'a'], 'an upgrade alone adds none')
  }
  t.same(added(), ['a ended', 'a ended', 'c', 'c'], 'those that no version uses any more have left')
  await replica.tend()
  const [rows, containers] = await living()
  t.same(rows, containers, 'and their sessions are closed')
})

t.test('sessions that nobody uses for longer than holders wait are closed, and made anew when they are wanted', async t => {
  const { startReplica, sleep, added, living } = await pretend(t)
  const replica = await startReplica('a')
  await replica.work()
  await sleep(idleHours / 24 - 1)
  await replica.tend()
  t.equal((await living())[0].length, 2, 'before that, none')
  await sleep(2)
  await replica.tend()
  t.same(await living(), [[], []])
  await replica.work()
  t.same(added(), ['a ended', 'a ended', 'a', 'a'])
  const [rows, containers] = await living()
  t.same(rows, containers)
})

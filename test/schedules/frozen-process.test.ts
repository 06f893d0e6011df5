import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { draftJob, draftPod } from '../support/job-drafts.ts'
import { startPostgres } from '../support/postgres.ts'
import { examplePod } from '../support/recorded-probe.ts'
import { until } from '../support/until.ts'

const { openDatabase } = await startPostgres(t)
const main = new URL('./frozen-worker-main.ts', import.meta.url).pathname

t.test('a process that was stopped between the row of a run and its sending sends nothing when it goes on', async t => {
  const { url, jobs } = await openDatabase(t)
  const launch = async () => (await jobs.create(draftJob({ diagnostic: 'lookup', retrySafe: false, params: {}, pods: [draftPod({ uid: examplePod().uid })] }))).job.id
  const stateOf = async (id: string) => (await jobs.find(id))!
  const id = await launch()

  // Through env: tap loads itself into every Node that a test starts.
  const child = spawn('env', ['-i', `PATH=${process.env.PATH}`, process.execPath, main, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', part => { said += part })
  const isStopped = () => /\) T /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))
  await until(isStopped)
  t.match(await stateOf(id), { state: 'running', pods: { items: [{ runs: [{ startedAt: null, endedAt: null }] }] } })
  await until(() => jobs.sweep())
  t.match(await stateOf(id), { state: 'failed', pods: { items: [{ error: { code: 'EPH_INDETERMINATE' } }] } })

  child.kill('SIGCONT')
  await until(() => said !== '')
  t.equal(said, 'ended\n')
  const next = await launch()
  await until(async () => (await stateOf(next)).finishedAt)
  t.match(await stateOf(next), { state: 'succeeded' }, 'it lives, and sends what it owns')
  t.match(said, /^ended\nsent\n/)
  t.match(await stateOf(id), { pods: { items: [{ error: { code: 'EPH_INDETERMINATE' } }] } })
})

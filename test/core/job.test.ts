import t from 'tap'
import { verdicts, type Verdict } from '#core/finding.ts'
import { isFinal, jobStates, stateOfJob, verdictOfJob, type JobState } from '#core/job.ts'

interface PodEnd { state: JobState, verdict: Verdict | null }

const pod = (state: JobState, verdict: Verdict | null = null): PodEnd => ({ state, verdict })

t.test('four states of seven and one are final', t => {
  t.same(jobStates.filter(state => !isFinal(state)), ['awaitingApproval', 'queued', 'running'])
  t.end()
})

t.test('a job waits until its first pod is measured, and runs until its last one has ended', t => {
  t.equal(stateOfJob([pod('queued'), pod('queued')], false), 'queued')
  t.equal(stateOfJob([pod('queued'), pod('running')], false), 'running')
  t.equal(stateOfJob([pod('succeeded', 'pass'), pod('queued')], false), 'running')
  t.equal(stateOfJob([pod('succeeded', 'pass'), pod('running')], true), 'running', 'also when it is to be cancelled')
  t.end()
})

t.test('the state of a job is that of its best pod, in this order, and a cancellation goes before all', t => {
  const order = ['succeeded', 'failed', 'cancelled', 'denied', 'expired'] as const
  for (const [rank, state] of order.entries()) {
    for (const worse of order.slice(rank)) {
      for (const pods of [[pod(state), pod(worse)], [pod(worse), pod(state)]]) {
        t.equal(stateOfJob(pods, false), state, `${state} and ${worse}`)
        t.equal(stateOfJob(pods, true), 'cancelled')
      }
    }
  }
  t.end()
})

t.test('a job has a verdict only if it succeeded', t => {
  for (const state of jobStates.filter(state => state !== 'succeeded')) t.equal(verdictOfJob(state, [pod('succeeded', 'fail')]), null, state)
  t.end()
})

t.test('the verdict of a job is the worst of its pods, and what was not measured leaves it open: every pair', t => {
  const rank = ['fail', 'inconclusive', 'warn', 'pass'] as const
  for (const first of [...verdicts, null]) {
    for (const second of [...verdicts, null]) {
      const pods = [first, second].map(verdict => pod(verdict === null ? 'failed' : 'succeeded', verdict))
      const expected = rank.find(verdict => [first, second].some(each => (each ?? 'inconclusive') === verdict))
      t.equal(verdictOfJob('succeeded', pods), expected, `${first} and ${second}`)
    }
  }
  t.end()
})

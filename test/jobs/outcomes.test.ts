import t, { type Test } from 'tap'
import { Problem } from '#core/errors.ts'
import type { Job, JobPod } from '#core/job.ts'
import type { RunEnd } from '#core/ports/channel.ts'
import { capture, drive, lookup } from '../support/drive.ts'
import { answering, type Play } from '../support/fake-channels.ts'
import { caller } from '../support/fake-ports.ts'

const saying = (text: string, end: Partial<RunEnd> = {}): Play => async tool => {
  tool.start()
  await tool.say('stdout', text)
  tool.end(end)
}

interface Row { play: Play, state: Job['state'], code?: string, verdict?: Job['verdict'], completeness: string | null, retrySafe?: boolean }

/** The table of outcomes, as far as one run and its end decide it. */
const rows: Record<string, Row> = {
  'the tool ended, nothing found': { play: saying('good\n'), state: 'succeeded', verdict: 'pass', completeness: 'complete' },
  'the tool ended, an error found': { play: saying('bad\n'), state: 'succeeded', verdict: 'fail', completeness: 'complete' },
  'a planned end': { play: saying('good\n', { endCause: 'finished' }), state: 'succeeded', verdict: 'pass', completeness: 'complete' },
  'output above its limit': {
    play: saying('bad\n', { endCause: 'limit' }), state: 'succeeded', code: 'EPH_OUTPUT_LIMIT', verdict: 'inconclusive', completeness: 'limit'
  },
  'another checksum than the runner states': {
    play: saying('good\n', { stdout: { bytes: 5, sha256: '', dropped: 0, whole: true, proven: false } }),
    state: 'succeeded',
    code: 'EPH_OUTPUT_UNREADABLE',
    verdict: 'inconclusive',
    completeness: 'unproven'
  },
  'the deadline': { play: saying('x', { endCause: 'deadline' }), state: 'failed', code: 'EPH_RUN_TIMEOUT', completeness: 'deadline' },
  'killed for memory': { play: saying('x', { endCause: 'oom' }), state: 'failed', code: 'EPH_OUT_OF_MEMORY', completeness: 'killed' },
  'killed by a signal': { play: saying('x', { signal: 'SIGSEGV' }), state: 'failed', code: 'EPH_TOOL_KILLED', completeness: 'killed' },
  'lost after it had started, not to be repeated': {
    play: async tool => { tool.start(); await tool.say('stdout', 'x'); tool.lose() },
    retrySafe: false,
    state: 'failed',
    code: 'EPH_INDETERMINATE',
    completeness: 'disconnected'
  },
  'the image lacks the tool': {
    play: tool => { tool.refuse(new Problem('EPH_TOOL_MISSING', 'Cannot start "dig"', { effect: 'none' })) },
    state: 'failed',
    code: 'EPH_TOOL_MISSING',
    completeness: null
  }
}

const completenessOf = ({ runs }: JobPod) => {
  const { completeness } = runs.at(-1)!
  return completeness?.reason ?? completeness?.state ?? null
}

for (const [what, { play, retrySafe = true, ...expected }] of Object.entries(rows)) {
  t.test(what, async t => {
    const { channels, run, database } = drive(t, { diagnostics: [lookup({ retrySafe })] })
    channels.play = play
    const { state, verdict, pod } = await run()
    t.equal(state, expected.state)
    t.equal(verdict, expected.verdict ?? null)
    t.equal(pod.error?.code, expected.code)
    t.equal(completenessOf(pod), expected.completeness)
    t.ok(pod.runs.every(({ endedAt }) => endedAt !== null), 'every run has an end')
    const stored = [...database.runs.values()].at(-1)!
    t.equal(stored.output.stdout.length, stored.run.streams[0]!.storedBytes, 'what arrived is kept')
  })
}

const reasonsOf = async (t: Test, play: Play, retrySafe = true) => {
  const { channels, run } = drive(t, { diagnostics: [lookup({ retrySafe })] })
  channels.play = play
  const { state, pod } = await run()
  return { state, code: pod.error?.code, attempts: pod.runs.map(({ attempt }) => attempt), retryable: pod.error?.retryable }
}

t.test('a channel lost before the tool started is tried 3 times', async t => {
  t.same(await reasonsOf(t, tool => { tool.lose() }, false), {
    state: 'failed', code: 'EPH_CHANNEL_LOST', attempts: [1, 2, 3], retryable: 'later'
  })
})

t.test('what must not run twice is not repeated once a tool has started, though a later one was lost before it did', async t => {
  const twice = lookup({
    retrySafe: false,
    async measure (probe) {
      await probe.run(['dig', 'one'])
      return { stdout: (await probe.run(['dig', 'two'])).stdout }
    }
  })
  const { channels, run } = drive(t, { diagnostics: [twice] })
  channels.play = tool => tool.request.argv[1] === 'one' ? answering()(tool) : tool.lose()
  const { state, pod } = await run()
  t.equal(state, 'failed')
  t.match(pod.error, { code: 'EPH_CHANNEL_LOST', effect: 'done' })
  t.same(channels.requests.map(({ argv }) => argv[1]), ['one', 'two'])
})

t.test('what may be repeated is, and the lost run stays', async t => {
  let tries = 0
  const once: Play = tool => {
    if (tries++ > 0) return answering()(tool)
    tool.start()
    tool.lose()
  }
  t.same(await reasonsOf(t, once), { state: 'succeeded', code: undefined, attempts: [1, 2], retryable: undefined })
})

for (const [postMortem, code] of [['oom', 'EPH_OUT_OF_MEMORY'], ['podGone', 'EPH_POD_GONE'], ['nodeGone', 'EPH_NODE_GONE']] as const) {
  t.test(`a channel lost because of ${postMortem} says so`, async t => {
    const { channels, run, database } = drive(t)
    channels.postMortem = postMortem
    channels.play = tool => { tool.start(); tool.lose() }
    const { state, pod } = await run()
    t.equal(state, 'failed')
    t.equal(pod.error?.code, code)
    t.equal(completenessOf(pod), 'disconnected')
    t.equal([...database.sessions.values()].at(0)?.state, postMortem === 'nodeGone' ? 'open' : 'closed')
  })
}

t.test('a pod that was replaced meanwhile is gone', async t => {
  const { cluster, launch, final, worker } = drive(t, { works: false })
  const { id } = await launch()
  cluster.pods[0]!.uid = 'another'
  // Longer than a reading is used again.
  await new Promise(resolve => setTimeout(resolve, 300))
  await worker.start()
  const { state, pod } = await final(id)
  t.equal(state, 'failed')
  t.match(pod.error, { code: 'EPH_POD_GONE', effect: 'none' })
})

t.test('a right that was lost meanwhile denies the job', async t => {
  const { cluster, launch, final, worker } = drive(t, { works: false })
  const { id } = await launch()
  cluster.denied.add('create jobs shop')
  await worker.start()
  const { state, pod } = await final(id)
  t.equal(state, 'denied')
  t.equal(pod.error?.code, 'EPH_FORBIDDEN')
})

t.test('an output that the parser cannot read is inconclusive, unless a proven run gave an error', async t => {
  for (const [word, verdict] of [['good', 'inconclusive'], ['bad', 'fail']] as const) {
    const diagnostic = lookup({
      async measure (probe) {
        probe.keep({ stdout: (await probe.run(['dig'])).stdout })
        throw new Problem('EPH_OUTPUT_UNREADABLE', 'Cannot read it')
      }
    })
    const { channels, run } = drive(t, { diagnostics: [diagnostic] })
    channels.play = answering(word)
    const job = await run()
    t.match(job, { state: 'succeeded', verdict })
    t.equal(job.pod.error?.code, 'EPH_OUTPUT_UNREADABLE')
  }
})

t.test('findings carry the definition, and evidence the id of its run', async t => {
  const { channels, run } = drive(t)
  channels.play = answering('bad')
  const { findings, pod } = await run()
  t.match(findings, [{
    code: 'TEST_BAD', severity: 'error', remedy: 'Mend it', pods: ['web'], count: 1, diagnostic: 'lookup', evidence: [{ runId: pod.runs[0]!.id, line: 1 }]
  }])
})

t.test('a measurement that fails unexpectedly is logged and says nothing of itself', async t => {
  const { run, logged } = drive(t, { diagnostics: [lookup({ measure: async () => { throw new TypeError('secret inside') } })] })
  const { state, pod } = await run()
  t.equal(state, 'failed')
  t.match(pod.error, { code: 'EPH_INTERNAL' })
  t.notMatch(pod.error?.message, /secret/)
  t.match(logged, [{ level: 'error', fields: { err: TypeError } }])
})

t.test('a capture whose hash the runner states otherwise is not complete', async t => {
  const { channels, run, database } = drive(t, { diagnostics: [capture()] })
  channels.play = async tool => {
    tool.start()
    await tool.say('stdout', 'answer\n')
    const stated = { bytes: 7, sha256: '0'.repeat(64), dropped: 0, whole: true, proven: true }
    tool.end({ stdout: stated })
  }
  const { pod } = await run({ diagnostic: 'capture' })
  t.match(pod.error, { code: 'EPH_OUTPUT_UNREADABLE', message: /does not equal what was sent/ })
  t.match([...database.artifacts.values()][0]!.artifact, { sizeBytes: 7, completeness: { state: 'truncated', reason: 'unproven' } })
})

t.test('an unproven capture is kept, and inconclusive', async t => {
  const check = { push () {}, end: () => 'the last record is cut' }
  const { channels, run, database } = drive(t, { diagnostics: [capture({ check })] })
  channels.play = answering()
  const { state, verdict, pod } = await run({ diagnostic: 'capture' })
  t.match({ state, verdict }, { state: 'succeeded', verdict: 'inconclusive' })
  t.match(pod.error, { code: 'EPH_OUTPUT_UNREADABLE', message: /the last record is cut/ })
  t.match([...database.artifacts.values()][0]!.artifact, { state: 'sealed', sizeBytes: 7, completeness: { state: 'truncated', reason: 'unproven' } })
})

t.test('rights are asked of who launched the job', async t => {
  const { run, context } = drive(t)
  const asked: string[] = []
  const { demand } = context.authority
  context.authority.demand = async (principal, ...rest) => { asked.push(principal.username); return demand(principal, ...rest) }
  await run()
  t.same([...new Set(asked)], [caller.username])
  t.equal(asked.length, 2, 'at the launch, and again at dispatch')
})

t.test('output that is quicker than the row of its run waits for it', async t => {
  const { database, channels, run } = drive(t)
  database.state.startRunMs = 50
  channels.play = answering('quick\n')
  const { state, pod } = await run()
  t.equal(state, 'succeeded', JSON.stringify(pod.error))
  t.match(pod.runs[0]!.streams[0], { storedBytes: 6 })
})

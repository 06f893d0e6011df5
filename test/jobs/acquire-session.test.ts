import t from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { Problem } from '#core/errors.ts'
import { containerNameOf } from '#core/target.ts'
import { drive, lookup } from '../support/drive.ts'
import { answering } from '../support/fake-channels.ts'
import { digest, reference } from '../support/fake-ports.ts'

t.test('the second job on a pod reuses the session', async t => {
  const { run, cluster, database } = drive(t)
  const first = await run()
  const second = await run()
  t.match(first.pod.session, { reused: false, profile: 'restricted', image: 'toolbox', imageDigest: digest('a'), sharesProcesses: false })
  t.match(second.pod.session, { id: first.pod.session!.id, reused: true })
  t.equal(cluster.injected.length, 1)
  const [session] = [...database.sessions.values()]
  t.match(session, { state: 'open', openedBy: 'ada', usedBy: ['ada'], ephemeralContainer: containerNameOf(session!.id) })
  t.match(cluster.injected[0], { name: session!.ephemeralContainer, image: reference('a'), profile: 'restricted', sharedContainer: null })
})

t.test('50 jobs at once on a fresh pod make one container', async t => {
  const { run, cluster, channels } = drive(t)
  const jobs = await Promise.all(Array.from({ length: 50 }, () => run()))
  t.ok(jobs.every(({ state }) => state === 'succeeded'))
  t.equal(jobs.filter(({ pod }) => !pod.session!.reused).length, 1)
  t.equal(cluster.injected.length, 1)
  t.equal(channels.requests.length, 50)
})

t.test('another profile, purpose or shared container takes a session of its own', async t => {
  const sharing = lookup({ name: 'sharing', sharesProcesses: true })
  const raw = lookup({ name: 'raw', profiles: ['netraw'] })
  const { run, cluster } = drive(t, { diagnostics: [lookup(), sharing, raw] })
  for (const diagnostic of ['lookup', 'sharing', 'raw', 'lookup', 'sharing', 'raw']) await run({ diagnostic })
  t.match(cluster.injected, [
    { profile: 'restricted', sharedContainer: null }, { profile: 'restricted', sharedContainer: 'app' }, { profile: 'netraw', sharedContainer: null }
  ])
  t.equal(cluster.injected.length, 3)
})

t.test('an upgrade of the image burns no budget: a session of the previous digest is reused', async t => {
  const { run, cluster, context } = drive(t)
  context.policy.images = [{ name: 'toolbox', references: [reference('b')] }]
  await run()
  context.policy.images = [{ name: 'toolbox', references: [reference('a'), reference('b')] }]
  const { pod } = await run()
  t.match(pod.session, { reused: true, imageDigest: digest('b') })
  t.equal(cluster.injected.length, 1)
})

t.test('an old session that lacks a tool is left for one of the current image, which is then used', async t => {
  const { run, cluster, context, channels, database } = drive(t)
  context.policy.images = [{ name: 'toolbox', references: [reference('b')] }]
  await run()
  context.policy.images = [{ name: 'toolbox', references: [reference('a'), reference('b')] }]
  const [old] = cluster.injected
  channels.play = tool => {
    if (tool.place.container === old!.name) tool.refuse(new Problem('EPH_TOOL_MISSING', 'Cannot start "dig"'))
    else answering()(tool)
  }
  const { state, pod } = await run()
  t.equal(state, 'succeeded', JSON.stringify(pod.error))
  t.match(pod.session, { reused: false, imageDigest: digest('a') })
  t.match(pod.runs, [{ startedAt: null, completeness: null }, { completeness: { state: 'complete' } }])
  t.match((await run()).pod.session, { id: pod.session!.id, reused: true })
  t.equal(cluster.injected.length, 2)
  t.equal(database.sessions.get([...database.sessions.keys()][0]!)!.state, 'open', 'the old one is not closed: it serves whoever needs less')
})

t.test('a tool that the current image lacks is missing, and costs no container', async t => {
  const { run, cluster, channels } = drive(t)
  channels.play = tool => { tool.refuse(new Problem('EPH_TOOL_MISSING', 'Cannot start "dig"')) }
  await run()
  const { state, pod } = await run()
  t.equal(state, 'failed')
  t.equal(pod.error?.code, 'EPH_TOOL_MISSING')
  t.equal(cluster.injected.length, 1)
})

t.test('a session whose runner speaks a protocol that is not known is closed, and another is made', async t => {
  const { run, cluster, channels, database } = drive(t)
  await run()
  const [known] = cluster.injected
  channels.opening = async ({ container }) => {
    if (container === known!.name) throw new Problem('EPH_IMAGE_WITHOUT_RUNNER', 'Cannot use it: its runner speaks protocol 9')
  }
  t.match(await run(), { state: 'succeeded', pod: { session: { reused: false } } })
  t.equal(cluster.injected.length, 2)
  t.match([...database.sessions.values()], [{ state: 'closed', closedReason: /protocol 9/ }, { state: 'open' }])
})

t.test('a session whose container has ended is closed and replaced', async t => {
  const { run, cluster, database } = drive(t)
  const { pod: { session } } = await run()
  Object.assign(cluster.pods[0]!.ephemeral[0]!, { running: false, exitReason: 'Completed' })
  const again = await run()
  t.equal(again.pod.session!.reused, false)
  t.match(database.sessions.get(session!.id), { state: 'closed', closedReason: /Completed/ })
})

t.test('one that ends unnoticed is found out when its channel does not open', async t => {
  const { run, channels, database } = drive(t)
  const { pod: { session } } = await run()
  channels.postMortem = 'containerEnded'
  channels.opening = async ({ container }) => {
    if (container === session!.ephemeralContainer) throw new Problem('EPH_CONTAINER_NOT_STARTED', 'Cannot use it: it has ended')
  }
  const again = await run()
  t.match(again, { state: 'succeeded', pod: { session: { reused: false } } })
  t.equal(database.sessions.get(session!.id)!.state, 'closed')
})

t.test('the budget of a pod holds, and says what is there', async t => {
  const { run, cluster, launch } = drive(t)
  const ours = Array.from({ length: 3 }, () => containerNameOf(uuidv7()))
  cluster.pods[0]!.ephemeral.push(
    ...ours.map(name => ({ name, image: 'x', running: false, exitReason: 'Completed' })), { name: 'debugger-1', image: 'x', running: true, exitReason: null })
  await t.rejects(launch(), { code: 'EPH_BUDGET_EXHAUSTED', message: new RegExp(`${ours[0]} \\(Completed\\)`) })
  cluster.pods[0]!.ephemeral.splice(0, 1)
  t.equal((await run()).state, 'succeeded', 'those of others do not count')
})

t.test('a row that a killed worker left without a container is completed, not repeated', async t => {
  const { run, cluster, database } = drive(t)
  const [pod] = cluster.pods
  const id = uuidv7()
  await database.database.sessions.open({
    id,
    pod: pod!,
    ephemeralContainer: containerNameOf(id),
    image: 'toolbox',
    imageDigest: digest('a'),
    profile: 'restricted',
    purpose: 'diagnostics',
    sharedContainer: null,
    sharesProcesses: false,
    openedBy: 'bob'
  })
  const job = await run()
  t.match(job.pod.session, { id, reused: false })
  t.match(cluster.injected, [{ name: containerNameOf(id) }])
  t.equal(database.sessions.size, 1)
  t.equal(database.sessions.get(id)!.state, 'open')
})

t.test('a refused injection closes its row with the reason', async t => {
  const { run, cluster, database } = drive(t)
  cluster.admit = async (_container, dryRun) => {
    if (!dryRun) throw new Problem('EPH_ADMISSION_DENIED', 'Cannot inject: a policy refuses it')
  }
  const { state, pod } = await run()
  t.equal(state, 'failed')
  t.equal(pod.error?.code, 'EPH_ADMISSION_DENIED')
  t.match([...database.sessions.values()], [{ state: 'closed', closedReason: /a policy refuses it/ }])
  t.equal(database.leases.size, 0)
})

t.test('an injection without an answer is tried again under the same name', async t => {
  const { run, cluster, database } = drive(t)
  const names: string[] = []
  cluster.admit = async ({ name }, dryRun) => {
    if (dryRun) return
    names.push(name)
    if (names.length === 1) throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot inject: no answer')
  }
  t.equal((await run()).state, 'succeeded')
  t.equal(names.length, 2)
  t.equal(names[0], names[1])
  t.equal(database.sessions.size, 1)
})

t.test('an image that cannot be pulled keeps its container: the kubelet goes on trying', async t => {
  const { run, channels, cluster, database } = drive(t)
  channels.opening = async () => { throw new Problem('EPH_IMAGE_PULL', 'Cannot start the container: ErrImagePull') }
  const { state, pod } = await run()
  t.equal(state, 'failed')
  t.match(pod.error, { code: 'EPH_IMAGE_PULL', retryable: 'later', effect: 'done' })
  channels.opening = async () => {}
  t.equal((await run()).pod.session!.reused, true)
  t.equal(cluster.injected.length, 1)
  t.match([...database.sessions.values()], [{ state: 'open' }])
})

t.test('an image without runner, and a pod that is gone, close the session', async t => {
  for (const code of ['EPH_IMAGE_WITHOUT_RUNNER', 'EPH_POD_GONE'] as const) {
    const { run, channels, database } = drive(t)
    channels.opening = async () => { throw new Problem(code, 'Cannot use it') }
    const { pod } = await run()
    t.equal(pod.error?.code, code)
    t.match([...database.sessions.values()], [{ state: 'closed' }])
  }
})

t.test('who waits for another worker\'s injection takes its session', async t => {
  const { run, cluster, database } = drive(t)
  database.leases.set(`inject:${cluster.pods[0]!.uid}`, 'another worker')
  const running = run()
  setTimeout(() => { database.leases.clear() }, 120)
  t.equal((await running).state, 'succeeded')
  t.equal(cluster.injected.length, 1)
})

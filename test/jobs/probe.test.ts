import t from 'tap'
import { Problem } from '#core/errors.ts'
import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Reading } from '#core/reading.ts'
import { drive, lookup, request } from '../support/drive.ts'
import { answering } from '../support/fake-channels.ts'
import { caller } from '../support/fake-ports.ts'
import { examplePod, exampleService } from '../support/recorded-probe.ts'

const none = { idempotencyKey: null }
const orders: Reading = { kind: 'service', namespace: 'data', name: 'orders' }

t.test('a file of the pod is read by the runner, and kept as a run with its output', async t => {
  const reading = lookup({ measure: async probe => ({ ...await probe.readFile('resolv.conf') }) })
  const { channels, run } = drive(t, { diagnostics: [reading] })
  channels.play = answering('nameserver 10.96.0.10\n')
  const { verdict, pod } = await run()
  t.match(channels.requests, [{ argv: ['read', 'resolv.conf'], file: 'resolv.conf' }])
  t.match({ verdict, report: pod.report }, { verdict: 'pass', report: { text: 'nameserver 10.96.0.10\n', run: 0 } })
  t.match(pod.runs, [{ argv: ['read', 'resolv.conf'], endCause: 'exited', completeness: { state: 'complete' }, streams: [{ name: 'stdout', storedBytes: 22 }, {}] }])
})

t.test('a file that the pod does not have is an answer, one that cannot be read is not', async t => {
  const reading = lookup({ measure: async probe => ({ ...await probe.readFile('host.conf') }) })
  const { channels, run } = drive(t, { diagnostics: [reading] })
  channels.play = tool => { tool.refuse(new Problem('EPH_NOT_FOUND', 'Cannot read "host.conf"', { effect: 'none' })) }
  t.match((await run()).pod, { state: 'succeeded', report: { text: null, run: 0 }, runs: [{ endCause: null }] })
  channels.play = tool => { tool.refuse(new Problem('EPH_OUTPUT_UNREADABLE', 'Cannot read "host.conf"')) }
  t.match((await run()).pod, { state: 'succeeded', verdict: 'inconclusive', error: { code: 'EPH_OUTPUT_UNREADABLE' } })
})

t.test('what the parameters name must be readable and there before a job exists', async t => {
  const { useCases, cluster, database } = drive(t, { diagnostics: [lookup({ reads: () => [orders] })], works: false })
  cluster.denied.add('get services data')
  const asking: (() => Promise<unknown>)[] = [() => useCases.submit(caller, request(), none), () => useCases.preflight(caller, request())]
  for (const ask of asking) {
    await t.rejects(ask(), { code: 'EPH_FORBIDDEN', message: /get services data/ })
  }
  cluster.denied.clear()
  await t.rejects(useCases.submit(caller, request(), none), { code: 'EPH_NOT_FOUND', message: 'Cannot read Service "data/orders": it does not exist' })
  await t.rejects(useCases.preflight(caller, request()), { code: 'EPH_NOT_FOUND' })
  t.equal(database.jobs.drafts().length, 0)
  cluster.services.push(exampleService({ namespace: 'data' }))
  await useCases.submit(caller, request(), none)
})

t.test('the right to read is asked again at dispatch', async t => {
  const { launch, final, cluster, worker, channels } = drive(t, { diagnostics: [lookup({ reads: () => [orders] })], works: false })
  cluster.services.push(exampleService({ namespace: 'data' }))
  const { id } = await launch()
  cluster.denied.add('get services data')
  await worker.start()
  t.match(await final(id), { state: 'denied', pod: { error: { code: 'EPH_FORBIDDEN' } } })
  t.same(channels.opened, [])
})

t.test('objects are read with the rights of the caller', async t => {
  const readings: [string, (objects: Parameters<AnyDiagnostic['measure']>[1]['objects']) => Promise<unknown>][] = [
    ['get pods shop', objects => objects.pod('shop', 'web')],
    ['list pods shop', objects => objects.pods('shop', { app: 'web' })],
    ['get services shop', objects => objects.service('shop', 'orders')],
    ['list endpointslices shop', objects => objects.endpoints('shop', 'orders')],
    ['list networkpolicies shop', objects => objects.networkPolicies('shop')]
  ]
  for (const [needed, read] of readings) {
    const { cluster, run } = drive(t, { diagnostics: [lookup({ measure: async probe => ({ read: await read(probe.objects) }) })] })
    cluster.services.push(exampleService())
    t.match((await run()).pod, { state: 'succeeded' }, needed)
    cluster.denied.add(needed)
    t.match((await run()).pod, { state: 'denied', error: { code: 'EPH_FORBIDDEN', message: new RegExp(needed) } }, needed)
  }
})

t.test('addresses are named from namespaces in which the caller may list', async t => {
  const ips = ['10.244.0.9', '10.96.0.20', '10.99.0.1', '192.0.2.1', 'no-address', '10.244.0.9']
  const naming = lookup({ measure: async probe => ({ names: await probe.nameAddresses(ips) }) })
  /** A service that knows nothing yet: names are remembered for some seconds. */
  function begin () {
    const { cluster, run, logged } = drive(t, { diagnostics: [naming] })
    cluster.pods.push(
      examplePod({ namespace: 'data', name: 'gone', phase: 'Succeeded', podIPs: ['10.244.0.9'] }),
      examplePod({ namespace: 'data', name: 'db-0', podIPs: ['10.244.0.9'] }),
      examplePod({ namespace: 'data', name: 'agent', podIPs: ['10.99.0.1'], hostNetwork: true, node: 'node-2' })
    )
    cluster.services.push(exampleService({ namespace: 'data' }))
    return { cluster, logged, namesOf: async () => (await run()).pod.report }
  }
  const nobody = { pod: null, service: null, node: null }
  const db = { pod: { namespace: 'data', name: 'db-0' }, service: null, node: 'node-1' }
  const service = { pod: null, service: { namespace: 'data', name: 'orders' }, node: null }
  const node = { pod: null, service: null, node: 'node-2' }
  const everywhere = begin()
  t.strictSame(await everywhere.namesOf(), { names: [db, service, node, nobody, nobody, db] })
  everywhere.cluster.denied.add('list pods data')
  everywhere.cluster.lookUp = async () => { t.fail('what is known is not looked up again') }
  t.strictSame(await everywhere.namesOf(), { names: [nobody, service, nobody, nobody, nobody, nobody] }, 'rights are asked for anew')

  const { cluster, namesOf } = begin()
  cluster.lookUp = async namespace => { if (namespace === null) throw new Problem('EPH_ACCOUNT_FORBIDDEN', 'Cannot list pods everywhere') }
  cluster.pods[2]!.namespace = 'shop'
  t.match(await namesOf(), { names: [{ pod: { namespace: 'shop', name: 'db-0' } }, nobody] }, 'our account may look in the pod\'s namespace only')

  const dark = begin()
  dark.cluster.lookUp = async () => { throw new Problem('EPH_CLUSTER_UNAVAILABLE', 'Cannot look') }
  t.strictSame(await dark.namesOf(), { names: ips.map(() => nobody) }, 'a measurement stands without names')
  t.match(dark.logged.at(-1), { text: 'Cannot tell whose an address is' })
  dark.cluster.lookUp = async () => {}
  t.match(await dark.namesOf(), { names: [db] }, 'a failure is not remembered')
})

const inner = (rest: Partial<AnyDiagnostic> = {}) => ({
  ...lookup({
    name: 'inner',
    findings: { INNER_BAD: { severity: 'error', title: 'Bad', meaning: 'Bad', remedy: 'Mend the inner' } },
    judge: ({ stdout }) => String(stdout).includes('bad') ? [{ code: 'INNER_BAD', message: 'It said so', evidence: [{ run: 1, line: 2 }] }] : [],
    measure: async probe => {
      probe.keep({ stdout: (await probe.run(['dig', 'one'])).stdout })
      return { stdout: (await probe.run(['dig', 'two'])).stdout }
    }
  }),
  ...rest
})
const outer = (rest: Parameters<typeof lookup>[0] = {}) => lookup({
  name: 'outer',
  steps: ['inner'],
  judge: ({ findings = [] }) => findings as ReturnType<AnyDiagnostic['judge']>,
  measure: async probe => {
    const { run } = await probe.run(['nc'])
    const { findings, firstRun, runCount, problem } = await probe.step('inner', { word: 'x' })
    probe.keep({ findings })
    if (problem) throw problem
    return { run, findings, firstRun, runCount, last: (await probe.run(['ip'])).run }
  },
  ...rest
})

t.test('a step measures in the same session; its runs and findings carry its name', async t => {
  const { channels, run } = drive(t, { diagnostics: [outer(), inner()] })
  channels.play = answering('bad\n')
  const { verdict, findings, pod } = await run({ diagnostic: 'outer' })
  t.match(pod.report, { run: 0, firstRun: 1, runCount: 2, last: 3 })
  t.same(pod.runs.map(({ argv, diagnostic }) => [argv.join(' '), diagnostic]), [['nc', 'outer'], ['dig one', 'inner'], ['dig two', 'inner'], ['ip', 'outer']])
  t.match({ verdict, findings }, {
    verdict: 'fail',
    findings: [{ code: 'INNER_BAD', severity: 'error', diagnostic: 'inner', remedy: 'Mend the inner', evidence: [{ runId: pod.runs[2]!.id, line: 2 }] }]
  })
  t.equal(channels.opened.length, 1)
})

t.test('a step whose output is cut leaves what it had found', async t => {
  const { channels, run } = drive(t, { diagnostics: [outer(), inner()] })
  channels.play = async tool => {
    tool.start()
    await tool.say('stdout', 'bad\n')
    tool.end(tool.request.argv[1] === 'two' ? { endCause: 'limit' } : {})
  }
  const { verdict, findings, pod } = await run({ diagnostic: 'outer' })
  t.match({ verdict, findings, pod }, { verdict: 'fail', findings: [{ code: 'INNER_BAD' }], pod: { state: 'succeeded', error: { code: 'EPH_OUTPUT_LIMIT' } } })
  t.equal(pod.runs.length, 3)
})

t.test('parameters of a step pass its own gate, and nothing is done that the outer one may not', async t => {
  const refused: [string, AnyDiagnostic, AnyDiagnostic][] = [
    ['not among its steps', outer({ steps: [] }), inner()],
    ['another right', outer(), inner({ right: 'captures' })],
    ['payload', outer(), inner({ payload: true })],
    ['no second attempt', outer(), inner({ retrySafe: false })],
    ['shared processes', outer(), inner({ sharesProcesses: true })],
    ['another profile', outer(), inner({ profiles: ['netraw'] })],
    ['parameters that do not fit', outer({ measure: async probe => ({ ...await probe.step('inner', { word: 1 }) }) }), inner()],
    ['unknown', outer({ steps: ['nope'], measure: async probe => ({ ...await probe.step('nope', {}) }) }), inner()]
  ]
  for (const [why, first, second] of refused) {
    const { run, channels } = drive(t, { diagnostics: [first, second] })
    t.match((await run({ diagnostic: 'outer' })).pod, { state: 'failed', error: { code: /EPH_INTERNAL|EPH_PARAMS_INVALID/ } }, why)
    t.notOk(channels.requests.some(({ argv }) => argv[0] === 'dig'), why)
  }
})

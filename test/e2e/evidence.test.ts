import t from 'tap'
import type { Job } from '#core/job.ts'
import { toolProcesses } from '../support/container-processes.ts'
import { images, labEnvironment, makeNamespace, makePod } from '../support/lab.ts'
import { startService } from '../support/service.ts'

const service = await startService({ env: labEnvironment() })
t.teardown(() => service.stop())
const namespace = makeNamespace(t)
const pod = makePod(namespace)

async function run (argv: string[], { image = 'toolbox-test', target = { namespace, pod } } = {}) {
  const job = await service.launch({ diagnostic: 'test-run', image, target, params: { argv } }, { prefer: 'wait=50' })
  return { job, stdout: stdoutOf(job), exitCode: (job.pods.items[0]!.report as { exitCode: number } | null)?.exitCode }
}
const stdoutOf = (job: Job) => (job.pods.items[0]!.report as { stdout: string } | null)?.stdout

const lateWriters: Record<string, string> = {
  'a child that writes later': '(sleep 2; echo LATE; echo LATE >&2) & echo A',
  'a double fork': '( (sleep 2; echo LATE) & ) ; echo A',
  'a child in a session of its own': 'setsid sh -c "sleep 2; echo LATE" & echo A; sleep 0.1',
  'a double fork in a session of its own that ignores TERM': '(setsid sh -c "trap : TERM HUP; sleep 2; echo LATE; sleep 99" & ) ; echo A; sleep 0.1'
}

for (const [who, script] of Object.entries(lateWriters)) {
  t.test(`${who} reaches no other run and does not live on`, async t => {
    const neighbour = service.launch({
      diagnostic: 'test-run', image: 'toolbox-test', target: { namespace, pod }, params: { argv: ['sh', '-c', 'echo B1; sleep 2.5; echo B2'] }
    }, { prefer: 'wait=50' })
    const { job, stdout } = await run(['sh', '-c', script])
    t.equal(stdout, 'A\n')
    t.same(job.pods.items[0]!.runs[0]!.completeness, { state: 'complete', reason: null })
    t.notOk(toolProcesses(namespace, pod).some(command => command.includes('LATE')), 'nothing of it lives on')
    t.equal(stdoutOf(await neighbour), 'B1\nB2\n')
  })
}

t.test('an application with our uid in the pod cannot write into our outputs', async t => {
  const forger = makePod(namespace, {
    container: {
      image: images()['toolbox-test'],
      command: ['sh', '-c', 'while :; do for p in /proc/[0-9]*; do echo FORGED > $p/fd/1; done 2>/dev/null; sleep 0.02; done'],
      securityContext: { runAsUser: 64646 }
    }
  })
  const target = { namespace, pod: forger }
  for (let round = 0; round < 5; round++) {
    const { stdout } = await run(['sh', '-c', 'echo A; sleep 0.3; echo B'], { target })
    t.equal(stdout, 'A\nB\n')
  }
})

t.test('a confined tool reads no file outside its list and executes nothing but itself', async t => {
  for (const argv of [
    ['curl', '-s', 'file:///etc/passwd'],
    ['curl', '-s', 'file:///ephemera/runner'],
    ['openssl', 'enc', '-base64', '-in', '/etc/passwd'],
    ['dig', '-f', '/etc/passwd']
  ]) {
    const { stdout, exitCode } = await run(argv, { image: 'toolbox' })
    t.not(exitCode, 0, argv.join(' '))
    t.notMatch(stdout ?? '', /root:|nonroot|cm9vd/, `${argv.join(' ')} shows nothing`)
  }
  const capture = await service.launch({
    diagnostic: 'test-run',
    image: 'toolbox',
    target: { namespace, pod },
    params: { profile: 'netraw', argv: ['tcpdump', '-Z', 'root', '-i', 'any', '-G', '1', '-W', '2', '-w', '/dev/null', '-z', 'id'] }
  }, { prefer: 'wait=50' })
  t.notMatch(JSON.stringify(capture.pods.items[0]!.report), /uid=0/, 'tcpdump -z executes nothing')
})

t.test('the shipped image starts no tool that is not on its list', async t => {
  for (const argv of [['sh', '-c', 'id'], ['bash'], ['/usr/bin/dig', 'x'], ['../usr/bin/dig']]) {
    const { job } = await run(argv, { image: 'toolbox' })
    t.match(job, { state: 'failed', pods: { items: [{ error: { code: 'EPH_TOOL_MISSING' } }] } }, argv.join(' '))
  }
})

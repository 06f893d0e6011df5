// Main of `npm run bench`: prints medians of both sides and their ratio, alternating in one run.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Test } from 'tap'
import { renewSample } from '../scripts/demo/cluster.ts'
import { images, kubeconfig, labEnvironment, makeNamespace, makePod, programs } from '../test/support/lab.ts'
import { startS3 } from '../test/support/s3.ts'
import { startService, type Service } from '../test/support/service.ts'
import { createCaller } from './caller.ts'
import { benchCatalogue } from './catalogue.ts'
import { createKubectl } from './kubectl.ts'
import { benchMany } from './many.ts'
import { benchSingle } from './single.ts'
import { describe, type Comparison } from './statistics.ts'
import { benchStream } from './stream.ts'
import type { World } from './world.ts'

const { values, positionals } = parseArgs({ options: { rounds: { type: 'string', default: '5' } }, allowPositionals: true })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`Cannot make ${values.rounds} rounds: give a number from 1`)
const wanted = positionals.length > 0 ? positionals : ['single', 'many', 'catalogue', 'stream']

const cleanups: (() => unknown)[] = []
/** The helpers of tests tidy up after a test; here after the whole run. */
const lifetime = { teardown: (cleanup: () => unknown) => { cleanups.push(cleanup) } } as unknown as Test

const settleMs = 2000
const limits = {
  ...Object.fromEntries(['CALLER', 'NAMESPACE', 'NODE'].map(name => [`EPHEMERA_LIMIT_${name}`, '64'])),
  EPHEMERA_REQUESTS_PER_MINUTE: '1000000'
}
const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`

/** Of all services, one after the other. */
type Surroundings = Omit<World, 'service' | 'stored'>

async function benchWith (store: 'file store' | 'S3', world: Surroundings, run: (world: World) => Promise<Comparison[]>): Promise<Comparison[]> {
  const s3 = store === 'S3' ? await startS3(lifetime) : null
  const started = await startService({ env: { ...labEnvironment(), ...limits, EPHEMERA_LOG_LEVEL: 'warn', ...s3?.environment } })
  const service: Service = { ...started, ...createCaller(started) }
  cleanups.push(() => service.stop())
  const idle = service.rss()
  const comparisons = await run({ ...world, service, stored: s3?.folder ?? join(started.dataDir, 'artifacts') })
  world.say(`peak RSS of the service (${store}): ${megabytes(service.peakRss())}, ${megabytes(idle)} when it was idle at the start`)
  await service.stop()
  return comparisons
}

async function main (): Promise<void> {
  const namespace = makeNamespace(lifetime)
  const world: Surroundings = {
    namespace,
    rounds,
    kubectl: createKubectl({ path: `${programs()}/kubectl`, kubeconfig: kubeconfig() }),
    toolbox: images().toolbox!,
    async freshPod () {
      const pod = makePod(namespace)
      // The kubelet takes up a change of a pod that has just become ready a second late, whoever makes it.
      await delay(settleMs)
      return pod
    },
    say: text => { console.log(`# ${text}`) }
  }
  const comparisons: Comparison[] = []
  if (wanted.includes('single')) comparisons.push(...await benchWith('file store', world, benchSingle))
  if (wanted.includes('many')) comparisons.push(...await benchWith('file store', world, benchMany))
  if (wanted.includes('catalogue')) {
    renewSample()
    comparisons.push(...await benchWith('file store', world, benchCatalogue))
  }
  if (wanted.includes('stream')) {
    for (const store of ['file store', 'S3'] as const) comparisons.push(...await benchWith(store, world, each => benchStream(store, each)))
  }
  console.log(`\n${'benchmark'.padEnd(44)}${'ours'.padStart(12)}${'kubectl'.padStart(12)}${'ratio'.padStart(10)}  wanted`)
  for (const comparison of comparisons) console.log(describe(comparison))
}

try {
  await main()
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup()
}

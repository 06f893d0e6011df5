import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median, timed, type Comparison } from './statistics.ts'
import { pause, placeOf, type World } from './world.ts'

const bytes = 2 ** 30

/**
 * 1 GiB through a capture-like run into the store, hashed on both ends, against `kubectl exec … > file` with the same writer. Each side's
 * bytes are removed before the other's turn: pages of files that stay are taken from memory that a virtual machine must first be given by
 * its host, at up to 2 s of processor time for 1 GiB, and whoever comes later pays more of it.
 */
export async function benchStream (store: string, world: World): Promise<Comparison[]> {
  const { service, stored, kubectl, namespace, rounds, freshPod, say } = world
  const target = { namespace, pod: await freshPod() }
  const warm = await service.launch({ diagnostic: 'test-run', target, image: 'toolbox-test', params: { argv: ['true'] } }, { prefer: 'wait=50' })
  const place = placeOf(namespace, warm)
  const rate = (milliseconds: number) => bytes / 1e6 / (milliseconds / 1000)
  const file = join(tmpdir(), `bench-${process.pid}`)
  const comparisons: Comparison[] = []
  for (const [label, writeBytes, limit] of [['8 KB', 8192, 0.85], ['1 MB', 1 << 20, 1]] as const) {
    const argv = ['test-tool', 'write', `${bytes}`, `${writeBytes}`]
    const comparison: Comparison = { name: `1 GiB into ${store}, writes of ${label}`, unit: 'MB/s', ours: [], theirs: [], limit }
    for (let round = 0; round < rounds; round++) {
      let artifactId = ''
      await pause()
      comparison.ours.push(rate(await timed(async () => {
        const job = await service.final((await service.launch({ diagnostic: 'test-capture', target, image: 'toolbox-test', params: { argv } })).id, 300)
        const [run] = job.pods.items[0]!.runs
        if (run?.completeness?.state !== 'complete' || run.artifacts[0]?.sizeBytes !== bytes) {
          throw new Error(`The stream is not complete: ${JSON.stringify({ error: job.error, run })}`)
        }
        artifactId = run.artifacts[0].id
      })))
      await rm(join(stored, artifactId), { recursive: true })
      await pause()
      comparison.theirs.push(rate(await timed(() => kubectl.execInto(place, argv, file))))
      await rm(file)
      say(`stream into ${store}, ${label}: round ${round + 1} of ${rounds} (${median(comparison.ours).toFixed(0)} MB/s)`)
    }
    comparisons.push(comparison)
  }
  return comparisons
}

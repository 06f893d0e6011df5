import type { AnyDiagnostic } from '#core/diagnostic.ts'
import type { Job, JobRequest } from '#core/job.ts'
import { loadCatalogue } from '#diagnostics/catalogue.ts'
import type { Client } from '../test/support/client.ts'
import { timed, type Comparison } from './statistics.ts'
import type { World } from './world.ts'

/** The first example of a diagnostic, in a pod of the lab's shop: each must be one that works there. */
export async function launchExample ({ launch, final }: Pick<Client, 'launch' | 'final'>, { name, examples }: AnyDiagnostic): Promise<Job> {
  const target: JobRequest['target'] = { namespace: 'shop', workload: { kind: 'Deployment', name: 'web' } }
  const job = await final((await launch({ diagnostic: name, target, params: examples[0]!.params })).id)
  if (job.state !== 'succeeded') throw new Error(`The first example of ${name} ended ${job.state}: ${JSON.stringify(job.error)}`)
  return job
}

/** Every diagnostic by its first example, beside the time that it says it takes. */
export async function benchCatalogue ({ service, rounds, say }: World): Promise<Comparison[]> {
  const comparisons: Comparison[] = []
  for (const diagnostic of (await loadCatalogue()).values()) {
    const { name, typicalSeconds } = diagnostic
    await launchExample(service, diagnostic) // the first one opens the session
    const ours: number[] = []
    for (let round = 0; round < rounds; round++) ours.push(await timed(() => launchExample(service, diagnostic)))
    comparisons.push({ name: `${name} (beside: typicalSeconds)`, unit: 'ms', ours, theirs: [typicalSeconds * 1000], limit: 1 })
    say(`catalogue: ${name}`)
  }
  return comparisons
}

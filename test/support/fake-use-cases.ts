import { Problem } from '#core/errors.ts'
import type { Page } from '#core/page.ts'
import type { JobEvent } from '#core/ports/storage.ts'
import type { UseCases } from '#jobs/use-cases.ts'
import { artifact, capabilities, events, job, jobPod, podSummary, preflight, principal, queued, quotas, run, sampleCatalogue, session } from './samples.ts'

const known = <T extends { id: string }>(item: T) => async (_caller: unknown, id: string): Promise<T> => {
  if (id === item.id) return item
  throw new Problem('EPH_NOT_FOUND', `Cannot find ${id}`)
}
const page = <T>(item: T): Page<T> => ({ items: [item], nextCursor: null })

export async function * bytesOf (...parts: string[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part, 'latin1')
}

async function * eventsOf (...list: JobEvent[]): AsyncGenerator<JobEvent> { yield * list }

export const artifactBytes = '0123456789'

/** Everything is there and allowed, once; a test says what differs. */
export function fakeUseCases (overrides: Partial<UseCases> = {}): UseCases {
  return {
    submit: async () => ({ job: queued, replayed: false }),
    preflight: async () => preflight,
    wait: async () => job,
    job: known(job),
    jobs: async () => page(job),
    jobPods: async () => page(jobPod),
    events: async (_caller, _id, { afterSeq }) => eventsOf(...events.filter(({ seq }) => seq > afterSeq)),
    cancel: known(job),
    finish: known(job),
    sessions: async () => page(session),
    session: known(session),
    closeSession: known(session),
    runs: async () => page(run),
    run: known(run),
    output: async () => ({ run, content: bytesOf('one\n\x1b[31mtwo\xe2\x80', '\xaetail\n') }),
    artifacts: async () => page(artifact),
    artifact: known(artifact),
    content: async (_caller, _id, { start, end }) => ({ artifact, content: bytesOf(artifactBytes.slice(start, end ?? undefined)) }),
    namespaces: async () => [{ name: 'shop', launch: true, captures: false }],
    targets: async () => [{ pod: podSummary, profiles: ['restricted'], refusal: null, ours: 1, budgetLeft: 9 }],
    whoami: async () => ({ identity: principal, rights: [{ right: 'create jobs', allowed: true }], quotas }),
    diagnostics: async (_caller, namespace) =>
      [...sampleCatalogue.values()].map(diagnostic => ({ diagnostic, allowed: namespace === null ? null : true })),
    capabilities: async () => capabilities,
    ...overrides
  }
}

import { toPage } from '#core/page.ts'
import type { JobFilter, JobStore } from '#core/ports/storage.ts'
import type { Prisma as Where } from './generated/client.ts'
import { beyond, literally, oneOf } from './filters.ts'
import { toSummary } from './job-document.ts'
import { cleanText } from './json-text.ts'
import type { Prisma } from './prisma.ts'

const maxWords = 10

type LabelTerm = NonNullable<JobFilter['labels']>[number]

/** labelIndex holds `key` and `key=value`; in Kubernetes, "not in" also holds where the label is missing. */
function labelTerm ({ key, operator, values }: LabelTerm): Where.JobWhereInput {
  const pairs = { labelIndex: { hasSome: values.map(value => `${key}=${value}`) } }
  if (operator === 'in') return pairs
  if (operator === 'notIn') return { NOT: pairs }
  return operator === 'exists' ? { labelIndex: { has: key } } : { NOT: { labelIndex: { has: key } } }
}

const words = (q: string) => q.toLowerCase().split(/\s+/).filter(word => word !== '').slice(0, maxWords)

/** What must hold for one and the same pod of the job. */
function podTerm (filter: JobFilter): Where.JobPodWhereInput | undefined {
  const { pod, podUid, node, workload } = filter
  if (!pod && !podUid && !node && !workload) return undefined
  return {
    pod: oneOf(pod),
    podUid: oneOf(podUid),
    node: oneOf(node),
    OR: workload?.map(({ kind, name }) => ({ ownerKind: cleanText(kind), ownerName: cleanText(name) }))
  }
}

/** So far apart may the clocks of a server and of the database be. */
const skewMs = 15 * 60_000

/** A UUIDv7 holds its time, so a time is also a bound on the primary key; with slack, since its clock is not the database's. */
function idAt (iso: string, slackMs: number): string {
  const hex = Math.max(0, Date.parse(iso) + slackMs).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`
}

function timeTerms ({ createdAfter, createdBefore }: JobFilter): Where.JobWhereInput[] {
  return [
    ...(createdAfter ? [{ createdAt: { gte: new Date(createdAfter) }, id: { gte: idAt(createdAfter, -skewMs) } }] : []),
    ...(createdBefore ? [{ createdAt: { lt: new Date(createdBefore) }, id: { lt: idAt(createdBefore, skewMs) } }] : [])
  ]
}

function whereOf (filter: JobFilter): Where.JobWhereInput {
  const pods = podTerm(filter)
  return {
    namespace: oneOf(filter.namespaces),
    diagnostic: oneOf(filter.diagnostic),
    state: oneOf(filter.state),
    verdict: oneOf(filter.verdict),
    requestedBy: oneOf(filter.requestedBy),
    actor: oneOf(filter.actor),
    pods: pods && { some: pods },
    findingRows: filter.finding && { some: { code: oneOf(filter.finding) } },
    AND: [
      ...(filter.service ? [{ OR: filter.service.map(name => ({ target: { path: ['service'], equals: cleanText(name) } })) }] : []),
      ...(filter.labels ?? []).map(labelTerm),
      ...words(filter.q ?? '').map(word => ({ search: { contains: literally(word) } })),
      ...timeTerms(filter)
    ]
  }
}

export function listJobs (prisma: Prisma, cluster: string): JobStore['list'] {
  return async (filter, page) => {
    const rows = await prisma.job.findMany({
      where: { AND: [whereOf(filter), { id: beyond(page) }] },
      orderBy: { id: 'desc' },
      take: page.limit + 1
    })
    const { items, nextCursor } = toPage(rows, page.limit)
    const counts = await prisma.jobPod.groupBy({ by: ['jobId', 'verdict'], where: { jobId: { in: items.map(({ id }) => id) } }, _count: true })
    const verdicts = new Map<string, Record<string, number>>(items.map(({ id }) => [id, {}]))
    for (const { jobId, verdict, _count } of counts) verdicts.set(jobId, { ...verdicts.get(jobId), [verdict ?? 'none']: _count })
    return { items: items.map(row => toSummary(row, verdicts.get(row.id) ?? {}, cluster)), nextCursor }
  }
}

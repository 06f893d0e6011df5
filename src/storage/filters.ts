import { Problem } from '#core/errors.ts'
import type { PageRequest } from '#core/page.ts'
import type { RunFilter } from '#core/ports/storage.ts'
import type { Prisma as Where } from './generated/client.ts'
import { cleanText } from './json-text.ts'
import type { Prisma } from './prisma.ts'
import { isId } from './stored.ts'

/** Repeated values are alternatives; none at all asks nothing. */
export const oneOf = (values: string[] | null | undefined): { in: string[] } | undefined =>
  values ? { in: values.map(cleanText) } : undefined

/** Ids that are no UUIDs match nothing. */
export const oneOfIds = (ids: string[] | undefined) => oneOf(ids?.filter(isId))

/** Below the last id that was seen. (Prisma's own `cursor` was seen to send SQL without LIMIT.) */
export function beyond ({ after }: PageRequest): { lt: string } | undefined {
  if (after === null) return undefined
  if (!isId(after)) throw new Problem('EPH_CURSOR_INVALID', 'Cannot go on with the list: the cursor names no item')
  return { lt: after }
}

/** LIKE's own signs stand for themselves. */
export const literally = (word: string): string => cleanText(word).replaceAll(/[\\%_]/g, '\\$&')

/** Jobs by id, and those whose measurement they share: their runs are seen as their own. */
export async function withSources (prisma: Prisma, filter: RunFilter): Promise<RunFilter> {
  const { jobId = [] } = filter
  const asked = jobId.filter(isId)
  if (asked.length === 0) return filter
  const jobs = await prisma.job.findMany({ where: { id: { in: asked } }, select: { deduplicatedFrom: true } })
  return { ...filter, jobId: [...jobId, ...jobs.flatMap(job => job.deduplicatedFrom ?? [])] }
}

export const runWhere = (filter: RunFilter): Where.RunWhereInput => ({
  namespace: oneOf(filter.namespaces),
  jobId: oneOfIds(filter.jobId),
  sessionId: oneOfIds(filter.sessionId),
  pod: oneOf(filter.pod),
  podUid: oneOf(filter.podUid),
  diagnostic: oneOf(filter.diagnostic)
})

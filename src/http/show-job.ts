import { encodeCursor } from '#core/cursor.ts'
import type { Job } from '#core/job.ts'

/** The job as callers see it: the cursor of its pods is one for listJobPods. */
export function showJob (job: Job): Job {
  const { nextCursor } = job.pods
  return { ...job, pods: { ...job.pods, nextCursor: nextCursor === null ? null : encodeCursor(nextCursor, 'listJobPods', { id: job.id }) } }
}

import { createHash } from 'node:crypto'
import type { Job } from './job.ts'

/** Changes with anything a reader of the job could see; the same on every replica. */
export const versionOf = (job: Job): string => createHash('sha256').update(JSON.stringify(job)).digest('base64url').slice(0, 22)

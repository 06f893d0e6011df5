import type { Problem } from '#core/errors.ts'
import type { JobError } from '#core/job.ts'

export const toJobError = ({ code, message, retryable, effect }: Problem): JobError => ({ code, message, retryable, effect })

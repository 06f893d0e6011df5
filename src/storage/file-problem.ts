import { getSystemErrorMessage } from 'node:util'
import { Problem } from '#core/errors.ts'

export function codeOf (error: unknown): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** What the file system refuses means that the store cannot be used; every other error is passed on as it is. Paths stay in the log. */
export function fileProblem (doing: string, error: unknown): unknown {
  const { errno, syscall } = error as NodeJS.ErrnoException
  if (typeof errno !== 'number') return error
  const state = `${getSystemErrorMessage(errno)} (${codeOf(error)} in ${syscall})`
  return new Problem('EPH_BUCKET_UNAVAILABLE', `Cannot ${doing}: ${state}`, { cause: error })
}

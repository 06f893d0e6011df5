import { Problem } from '#core/errors.ts'

/**
 * `doing` completes "Cannot …". Of the error only its words go on: those of ioredis carry their command with its arguments, and one of
 * these is the password.
 */
export function unavailable (doing: string, error: unknown): Problem {
  return new Problem('EPH_QUEUE_UNAVAILABLE', `Cannot ${doing}: ${wordsOf(error)}`, { cause: new Error(wordsOf(error)) })
}

/** An address that refuses on IPv4 and IPv6 gives an error without words of its own. */
export function wordsOf (error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(wordsOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

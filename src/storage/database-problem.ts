import { Problem } from '#core/errors.ts'

const networkCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT'])
/** Class 08 and what a server says that starts, stops, is full, only reads or takes too long: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const unavailable = /^(?:08...|57014|57P0[1-5]|53[0-4]00|25006)$/
/** Prisma's own codes for a server that cannot be reached, is full, or closed the connection. */
const prismaCodes = new Set(['P1001', 'P1002', 'P1008', 'P1011', 'P1017', 'P2024', 'P2037'])
/** pg gives these no code. */
const messages = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end|Can't reach database server/

interface DatabaseError extends Error {
  code?: unknown
  errors?: unknown[]
  /** Of Prisma: what Postgres said stands here, and not in the cause. */
  meta?: { driverAdapterError?: { cause?: { originalCode?: unknown } } }
}

const isCode = (code: unknown): boolean =>
  typeof code === 'string' && (networkCodes.has(code) || unavailable.test(code) || prismaCodes.has(code))

function isUnavailable (error: unknown, depth = 0): boolean {
  if (!(error instanceof Error) || depth > 5) return false
  const { code, cause, errors, meta }: DatabaseError = error
  if (isCode(code) || isCode(meta?.driverAdapterError?.cause?.originalCode)) return true
  return messages.test(error.message) || isUnavailable(cause, depth + 1) || (errors ?? []).some(inner => isUnavailable(inner, depth + 1))
}

/** The one place where a lost database becomes a Problem; every other error is passed on as it is. */
export function databaseProblem (error: unknown): unknown {
  if (error instanceof Problem || !isUnavailable(error)) return error
  return new Problem('EPH_DATABASE_UNAVAILABLE', 'Cannot reach the database: it does not answer', { cause: error })
}

type Method = (...args: never[]) => unknown

/** The store with `databaseProblem` applied to what its asynchronous methods reject with. */
export function guard<S extends object> (store: S): S {
  const guarded = Object.entries<unknown>(store as Record<string, unknown>).map(([name, method]) => [name, (...args: never[]) => {
    const result = (method as Method)(...args)
    return result instanceof Promise ? result.catch((error: unknown) => { throw databaseProblem(error) }) : result
  }])
  // The same names with the same signatures.
  return Object.fromEntries(guarded) as S
}

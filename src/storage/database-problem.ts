import type { Breaker } from '#core/breaker.ts'
import { Problem } from '#core/errors.ts'

const networkCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT'])
/** Class 08, and a server that starts or stops: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const away = /^(?:08...|57P0[1-5])$/
/** Prisma's own codes for a server that cannot be reached, or closed the connection. */
const prismaCodes = new Set(['P1001', 'P1002', 'P1008', 'P1011', 'P1017', 'P2024'])
/** pg gives these no code. */
const messages = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end|Can't reach database server/

/** What a server says that is there and cannot do its work. */
const hindrances: Record<string, string> = {
  53100: 'its disk is full',
  53200: 'it has no memory left',
  53300: 'it takes no more connections',
  P2037: 'it takes no more connections',
  53400: 'a limit of its configuration is reached',
  57014: 'it did not get to it in time',
  25006: 'it only reads; this is a replica, or was made read-only'
}

interface DatabaseError extends Error {
  code?: unknown
  errors?: unknown[]
  /** Of Prisma: what Postgres said stands here, and not in the cause. */
  meta?: { driverAdapterError?: { cause?: { originalCode?: unknown } } }
}

/** All codes and messages in an error and what it was caused by; those of pg, Node and Prisma stand in different places. */
function signsOf (error: unknown, depth = 0): { code: string, message: string }[] {
  if (!(error instanceof Error) || depth > 5) return []
  const { code, cause, errors = [], meta, message }: DatabaseError = error
  const own = [code, meta?.driverAdapterError?.cause?.originalCode].map(sign => ({ code: typeof sign === 'string' ? sign : '', message }))
  return [...own, ...[cause, ...errors].flatMap(inner => signsOf(inner, depth + 1))]
}

/** Whether nobody answers, or a server that just starts or stops: who asks for anything else meets the same. */
export function isAway (error: unknown): boolean {
  return signsOf(error).some(({ code, message }) =>
    networkCodes.has(code) || away.test(code) || prismaCodes.has(code) || messages.test(message))
}

function stateOf (error: unknown): string | null {
  if (isAway(error)) return 'it does not answer'
  return signsOf(error).map(({ code }) => hindrances[code]).find(state => state !== undefined) ?? null
}

/** The one place where a database that cannot be used becomes a Problem; every other error is passed on as it is. */
export function databaseProblem (error: unknown): unknown {
  if (error instanceof Problem) return error
  const state = stateOf(error)
  return state === null ? error : new Problem('EPH_DATABASE_UNAVAILABLE', `Cannot use the database: ${state}`, { cause: error })
}

/** What a write would be answered, for who has only asked. */
export const onlyReads = (): Problem => new Problem('EPH_DATABASE_UNAVAILABLE', `Cannot use the database: ${hindrances[25006]}`)

type Method = (...args: never[]) => Promise<unknown>

/** The store with `databaseProblem` applied to what its methods reject with; none is called while the database is away. */
export function guard<S extends object> (store: S, breaker: Breaker): S {
  const refuse = (why: unknown) => databaseProblem(why instanceof Problem ? why.cause : why)
  const guarded = Object.entries<unknown>(store as Record<string, unknown>).map(([name, method]) => [name, (...args: never[]) =>
    breaker.through(() => (method as Method)(...args).catch((error: unknown) => { throw databaseProblem(error) }), refuse)])
  // The same names with the same signatures.
  return Object.fromEntries(guarded) as S
}

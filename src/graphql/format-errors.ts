import { GraphQLError, type ExecutionResult } from 'graphql'
import { asProblem, Problem } from '#core/errors.ts'
import { problemAddress, statusOf } from '#core/problem-details.ts'

const refused = (error: Error) =>
  new Problem(error.message.startsWith('Syntax Error') ? 'EPH_MALFORMED' : 'EPH_INVALID_REQUEST', error.message, { cause: error })

/** The problem behind an error: ours, a document or variables that are refused, or something unexpected whose text stays in the log. */
export function problemOf (error: Error): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof GraphQLError)) return asProblem(error)
  const { originalError, path } = error
  if (originalError instanceof Problem) return originalError
  // Without a path, nothing was executed: the document does not fit the schema, or the variables do not fit the document. With one, only
  // the library's own complaints about an argument name the place in the document by themselves.
  const isOfCaller = path === undefined || (originalError instanceof GraphQLError && originalError.nodes !== undefined)
  return isOfCaller ? refused(error) : asProblem(originalError ?? error)
}

/** A document may be refused for several reasons at once, which mercurius wraps in one error. */
function innerErrors (error: Error): Error[] {
  const { errors } = error as { errors?: unknown }
  const inner = error instanceof Problem || !Array.isArray(errors) ? [] : errors.filter(item => item instanceof Error)
  return inner.length > 0 ? inner : [error]
}

export interface Formatted { statusCode: number, response: ExecutionResult, problems: Problem[] }

/** Errors as callers read them, with `extensions.code`; each code, status and text is that of REST. */
export function formatErrors ({ data, errors = [] }: { data?: unknown, errors?: readonly Error[] }, requestId: string): Formatted {
  const found = errors.flatMap(innerErrors).map(error => ({ error, problem: problemOf(error) }))
  const formatted = found.map(({ error, problem }) => {
    const { path, nodes, source, positions } = error as Partial<GraphQLError>
    const { code, retryable, effect, errors: places, retryAfterSeconds } = problem
    const extensions = { code, type: problemAddress(code), status: statusOf(code), retryable, effect, errors: places, requestId }
    return new GraphQLError(problem.message, {
      nodes,
      source,
      positions,
      path,
      extensions: retryAfterSeconds === null ? extensions : { ...extensions, retryAfterSeconds }
    })
  })
  const [first] = found
  // Executed, if only in part: 200, as GraphQL over HTTP wants it. Refused as a whole: the status of REST.
  const isExecuted = data != null || errors.some(error => error instanceof GraphQLError && error.path !== undefined)
  return {
    statusCode: isExecuted || !first ? 200 : statusOf(first.problem.code),
    response: { data: (data ?? null) as Record<string, unknown> | null, errors: formatted },
    problems: found.map(({ problem }) => problem)
  }
}

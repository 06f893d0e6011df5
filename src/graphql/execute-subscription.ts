import { getOperationAST, subscribe, type ExecutionResult, type GraphQLSchema } from 'graphql'
import { checkInput } from '#core/check-input.ts'
import { Problem } from '#core/errors.ts'
import type { Context } from './context.ts'
import { readDocument } from './read-document.ts'
import { GraphqlRequest } from './request.ts'

/** Answers of one subscription until it ends or the signal of its context is aborted; rejects where it is refused. */
export async function * executeSubscription (
  schema: GraphQLSchema, request: unknown, contextValue: Context
): AsyncGenerator<ExecutionResult> {
  const { query, variables, operationName } = checkInput(GraphqlRequest, request, '/payload')
  const document = readDocument(schema, query)
  if (getOperationAST(document, operationName)?.operation !== 'subscription') {
    throw new Problem('EPH_INVALID_REQUEST', 'Cannot run this here: only subscriptions come by WebSocket, send the rest to POST /graphql')
  }
  const result = await subscribe({ schema, document, contextValue, variableValues: variables, operationName })
  if (Symbol.asyncIterator in result) yield * result
  else yield result
}

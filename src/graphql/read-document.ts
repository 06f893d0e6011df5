import { parse, specifiedRules, validate, type DocumentNode, type GraphQLSchema } from 'graphql'
import { Problem } from '#core/errors.ts'
import { demandModest, maxTokens } from './limits.ts'

function parsed (source: string): DocumentNode {
  try {
    return parse(source, { maxTokens })
  } catch (error) {
    throw new Problem('EPH_MALFORMED', `Cannot read the document: ${(error as Error).message}`, { cause: error })
  }
}

/** A document that fits the schema and the limits, for subscriptions; other operations are read by mercurius. */
export function readDocument (schema: GraphQLSchema, source: string): DocumentNode {
  const document = parsed(source)
  demandModest(schema, document)
  const errors = validate(schema, document, specifiedRules)
  if (errors.length > 0) throw new Problem('EPH_INVALID_REQUEST', errors.map(({ message }) => message).join('; '))
  return document
}

import { Type } from 'typebox'
import { OrNull } from '#core/schema.ts'
import { maxLength } from './limits.ts'

const anything = (description: string) => Type.Optional(OrNull(Type.Record(Type.String(), Type.Unknown(), { description })))

/** What GraphQL over HTTP and graphql-transport-ws both send; one operation a request. */
export const GraphqlRequest = Type.Object({
  query: Type.String({ minLength: 1, maxLength, description: 'A document' }),
  operationName: Type.Optional(OrNull(Type.String({ maxLength: 200, description: 'Which operation of the document' }))),
  variables: anything('Its variables'),
  extensions: anything('Reserved by the specification; whatever tools say of themselves is not read')
}, { additionalProperties: false })

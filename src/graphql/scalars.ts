import { GraphQLError, GraphQLScalarType, Kind, valueFromASTUntyped } from 'graphql'

/** Integers beyond 32 bits, as sizes of streams are. */
export const Long = new GraphQLScalarType<number, number>({
  name: 'Long',
  description: 'An integer of up to 53 bits',
  serialize: toLong,
  parseValue: toLong,
  parseLiteral: node => toLong(node.kind === Kind.INT ? Number(node.value) : undefined)
})

function toLong (value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new GraphQLError('Cannot read a Long: it must be an integer of up to 53 bits')
}

/** Kept as text: what is wrong with a time says the same gate as in REST. */
export const DateTime = new GraphQLScalarType<string, string>({
  name: 'DateTime',
  description: 'RFC 3339, in any offset when sent, in UTC when answered',
  serialize: toText,
  parseValue: toText,
  parseLiteral: node => toText(node.kind === Kind.STRING ? node.value : undefined)
})

function toText (value: unknown): string {
  if (typeof value === 'string') return value
  throw new GraphQLError('Cannot read a DateTime: it must be text')
}

export const Json = new GraphQLScalarType<unknown, unknown>({
  name: 'JSON',
  description: 'Any JSON value',
  parseValue: value => value,
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables)
})

import type { FastifySchemaCompiler } from 'fastify'
import { Type, type TObject, type TSchema } from 'typebox'
import { checkInput } from '#core/check-input.ts'

const prefixes: Record<string, string> = { body: '', querystring: '/query', params: '/path', headers: '/headers' }

/** Only what stands in an address is text; a body says what it means. */
function fromText (schema: TSchema, value: unknown): unknown {
  if (Type.IsArray(schema)) return (Array.isArray(value) ? value : [value]).map(item => fromText(schema.items, item))
  if (Type.IsInteger(schema) && typeof value === 'string' && /^-?\d{1,15}$/.test(value)) return Number(value)
  if (Type.IsBoolean(schema) && (value === 'true' || value === 'false')) return value === 'true'
  return value
}

function readText (schema: TSchema, values: unknown): unknown {
  const { properties } = schema as TObject
  return Object.fromEntries(Object.entries(values ?? {}).map(([name, value]) => {
    const property = properties[name]
    return [name, property ? fromText(property, value) : value]
  }))
}

/** The same gate as that of GraphQL and of parameters, so that every transport refuses the same. */
export const requestValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = 'body' }) => value => {
  try {
    return { value: checkInput(schema, httpPart === 'body' ? value : readText(schema, value), prefixes[httpPart]) }
  } catch (error) {
    return { error: error as Error }
  }
}

import { Type, type TSchema } from 'typebox'
import { code } from './markdown.ts'

interface Bounds {
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
}

function between (least: number | undefined, most: number | undefined): string {
  if (least === undefined && most === undefined) return ''
  if (least === most) return ` ${least}`
  return least === undefined ? ` up to ${most}` : most === undefined ? ` from ${least}` : ` ${least} to ${most}`
}

/** What a schema admits, in a few words. */
export function describeType (schema: TSchema): string {
  const { minimum, maximum, minItems, maxItems, minLength, maxLength } = schema as Bounds
  if (Type.IsEnum(schema)) return schema.enum.map(value => code(String(value))).join(', ')
  if (Type.IsArray(schema)) return `list of${between(minItems, maxItems)}: ${describeType(schema.items)}`
  if (Type.IsString(schema)) return maxLength === undefined ? 'text' : `text of${between(minLength, maxLength)} characters`
  if (Type.IsInteger(schema)) return `integer${between(minimum, maximum)}`
  if (Type.IsNumber(schema)) return `number${between(minimum, maximum)}`
  if (Type.IsBoolean(schema)) return '`true`, `false`'
  return 'object'
}

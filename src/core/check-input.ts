import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { Pointer, Value } from 'typebox/value'
import { Problem, type FieldError } from './errors.ts'
import { patternWords } from './pattern-words.ts'
import { perObject } from './per-object.ts'

const validatorOf = perObject((schema: TSchema): Validator => Compile(schema))
const maxErrors = 20

interface SchemaError { keyword: string, schemaPath: string, instancePath: string, params: object, message: string }

const escapePointer = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** Of an object whose fields callers name themselves: what a name must be. */
function sayNames (schema: TSchema, schemaPath: string): string | null {
  const { patternProperties } = Pointer.Get(schema, schemaPath.slice(1)) as { patternProperties?: object }
  const words = patternWords.get(Object.keys(patternProperties ?? {})[0] ?? '')
  return words === undefined ? null : `its name ${words}`
}

/**
 * One entry per wrong place: what the validator says of unknown and missing properties names the object, callers want the property.
 * `boolean` and `not` only repeat that.
 */
export function fieldErrors (schema: TSchema, errors: Iterable<SchemaError>, prefix: string): FieldError[] {
  const found: FieldError[] = []
  for (const { keyword, schemaPath, instancePath, params, message } of errors) {
    const at = prefix + instancePath
    if (keyword === 'additionalProperties') {
      const { additionalProperties } = params as { additionalProperties: string[] }
      const detail = sayNames(schema, schemaPath) ?? 'is not known here'
      found.push(...additionalProperties.map(name => ({ pointer: `${at}/${escapePointer(name)}`, detail })))
    } else if (keyword === 'required') {
      const { requiredProperties } = params as { requiredProperties: string[] }
      found.push(...requiredProperties.map(name => ({ pointer: `${at}/${escapePointer(name)}`, detail: 'is required' })))
    } else if (keyword === 'enum') {
      const { allowedValues } = params as { allowedValues: unknown[] }
      found.push({ pointer: at, detail: `must be one of ${allowedValues.join(', ')}` })
    } else if (keyword === 'pattern') {
      found.push({ pointer: at, detail: patternWords.get(String((params as { pattern: unknown }).pattern)) ?? message })
    } else if (keyword !== 'boolean' && keyword !== 'not') {
      found.push({ pointer: at, detail: message })
    }
  }
  return found.slice(0, maxErrors)
}

/**
 * The gate for what callers send, whatever transport it came through: fills in defaults, refuses unknown fields and all that lies outside
 * the schema with EPH_INVALID_REQUEST. Answers a new object; `prefix` begins the pointers of errors[].
 */
export function checkInput<T extends TSchema> (schema: T, input: unknown, prefix = ''): Static<T> {
  const validator = validatorOf(schema)
  const value: unknown = Value.Default(schema, structuredClone(input))
  if (validator.Check(value)) return value as Static<T>
  const errors = fieldErrors(schema, validator.Errors(value), prefix)
  throw new Problem('EPH_INVALID_REQUEST', `Cannot read the request: ${errors[0]?.pointer || 'it'} ${errors[0]?.detail ?? 'does not fit its schema'}`, { errors })
}

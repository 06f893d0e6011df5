import { Compile, type Validator } from 'typebox/compile'
import { Value } from 'typebox/value'
import { fieldErrors } from './check-input.ts'
import type { AnyDiagnostic } from './diagnostic.ts'
import { Problem } from './errors.ts'
import { perObject } from './per-object.ts'

const validatorOf = perObject((diagnostic: AnyDiagnostic): Validator => Compile(diagnostic.params))

/**
 * The one gate for the parameters of a diagnostic, whatever transport or queue they came through: fills in defaults, refuses unknown
 * fields and everything outside the schema. Answers a new object.
 */
export function checkParams (diagnostic: AnyDiagnostic, input: unknown): Record<string, unknown> {
  const validator = validatorOf(diagnostic)
  const params: unknown = Value.Default(diagnostic.params, structuredClone(input ?? {}))
  const errors = validator.Check(params)
    ? diagnostic.contradictions?.(params as Record<string, unknown>) ?? []
    : fieldErrors(diagnostic.params, validator.Errors(params), '/params')
  if (errors.length === 0) return params as Record<string, unknown>
  throw new Problem('EPH_PARAMS_INVALID', `Cannot launch "${diagnostic.name}": its parameters do not fit`, { errors })
}

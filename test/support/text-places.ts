import type { TSchema } from 'typebox'

interface Schema extends TSchema {
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  enum?: string[]
  minimum?: number
  default?: unknown
}

/** A path into parameters: names of properties, and 0 for an item of a list. */
export type Place = (string | number)[]
export interface TextPlace {
  place: Place
  /** The words that are taken; null: any text that fits. */
  words: string[] | null
}

/** Every place where the parameters take a text of the caller's, however deep. */
export function * textPlaces (schema: Schema, place: Place = []): Generator<TextPlace> {
  if (schema.type === 'string' || schema.enum) yield { place, words: schema.enum ?? null }
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield * textPlaces(property, [...place, name])
  if (schema.items) yield * textPlaces(schema.items, [...place, 0])
}

/** A copy of the parameters with a value in a place, and all that is missing on the way to it. */
export function putAt (params: Record<string, unknown>, place: Place, value: unknown): Record<string, unknown> {
  const copy = structuredClone(params)
  let at = copy as Record<string | number, unknown>
  place.slice(0, -1).forEach((key, index) => {
    at[key] ??= typeof place[index + 1] === 'number' ? [] : {}
    at = at[key] as Record<string | number, unknown>
  })
  at[place.at(-1)!] = value
  return copy
}

const requiredParts = ({ properties = {}, required = [] }: Schema) =>
  Object.entries(properties).filter(([name, part]) => required.includes(name) && part.default === undefined)

function smallestOf (schema: Schema): unknown {
  if (schema.enum) return schema.enum[0]
  if (schema.type === 'string') return 'web'
  if (schema.type === 'boolean') return false
  if (schema.items) return [smallestOf(schema.items)]
  return schema.properties ? Object.fromEntries(requiredParts(schema).map(([name, part]) => [name, smallestOf(part)])) : schema.minimum ?? 1
}

/** Parameters with a value in a place, and beside it only what the schema requires: no alternative of that place stands there too. */
export function smallestWith (schema: Schema, [key, ...rest]: Place, value: unknown): unknown {
  if (key === undefined) return value
  if (schema.items) return [smallestWith(schema.items, rest, value)]
  const others = requiredParts(schema).map(([name, part]) => [name, smallestOf(part)])
  return { ...Object.fromEntries(others), [key]: smallestWith(schema.properties![key]!, rest, value) }
}

import type { TSchema } from 'typebox'

interface Part { required?: string[], properties?: Record<string, object>, items?: object }

/**
 * The schema of what callers may send, from that of what `measure` gets: the gate fills in defaults, so no field that has one must be sent.
 */
export function acceptedSchema (schema: TSchema | object): Record<string, unknown> {
  const { required, properties, items } = schema as Part
  const must = required?.filter(field => !('default' in (properties?.[field] ?? {})))
  return {
    ...schema,
    ...must && { required: must },
    ...properties && { properties: Object.fromEntries(Object.entries(properties).map(([field, part]) => [field, acceptedSchema(part)])) },
    ...items && { items: acceptedSchema(items) }
  }
}

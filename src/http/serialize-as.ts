import type { FastifyReply } from 'fastify'
import type { TSchema } from 'typebox'

/** Writes by this schema and nothing beyond it, where the status alone does not say which schema is meant. Compiled once per schema. */
export function serializerFor (reply: FastifyReply, schema: TSchema): (value: object) => string {
  // The typing of Fastify wants index signatures, which neither schemas nor our objects declare.
  return reply.compileSerializationSchema(schema as unknown as Record<string, unknown>) as unknown as (value: object) => string
}

import type { FastifyRequest } from 'fastify'
import { Problem } from '#core/errors.ts'

const format = /^[\x21-\x7e]{1,255}$/

/** The key under which a caller may repeat a launch, or null. */
export function idempotencyKey (request: FastifyRequest): string | null {
  const key = request.headers['idempotency-key']
  if (key === undefined) return null
  if (typeof key === 'string' && format.test(key)) return key
  throw new Problem('EPH_INVALID_REQUEST', 'Cannot use the Idempotency-Key: it must be 1 to 255 visible ASCII characters', {
    errors: [{ pointer: '/headers/idempotency-key', detail: 'must be 1 to 255 visible ASCII characters' }]
  })
}

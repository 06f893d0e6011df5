import { Problem } from './errors.ts'

const format = /^[\x21-\x7e]{1,255}$/

/** The key under which a caller may repeat a launch. */
export function checkIdempotencyKey (key: string, pointer: string): string {
  if (format.test(key)) return key
  throw new Problem('EPH_INVALID_REQUEST', 'Cannot use the idempotency key: it must be 1 to 255 visible ASCII characters', {
    errors: [{ pointer, detail: 'must be 1 to 255 visible ASCII characters' }]
  })
}

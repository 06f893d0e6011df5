import { Problem } from './errors.ts'
import type { JobRequest } from './job.ts'

/** Fields of the contract whose behaviour comes later: refused, because ignoring them would mislead. */
const laterFields = ['notify'] as const

export function notSupported (pointers: string[]): Problem {
  return new Problem('EPH_NOT_SUPPORTED', `Cannot do what was asked: this version does not support ${pointers.map(pointer => pointer.split('/').at(-1)).join(', ')}`, {
    errors: pointers.map(pointer => ({ pointer, detail: 'is not supported by this version' }))
  })
}

/** Refuses a launch that names fields which do nothing yet. */
export function demandSupported (request: JobRequest): void {
  const named = laterFields.filter(field => request[field] !== undefined)
  if (named.length > 0) throw notSupported(named.map(field => `/${field}`))
}

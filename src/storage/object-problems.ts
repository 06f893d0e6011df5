import { Problem } from '#core/errors.ts'

// Evidence that is recorded and not there is a fault of the service, never "not found": repeating the request does not bring it back.
const lost = { retryable: 'no', effect: 'none' } as const

export const objectMissing = (key: string, cause?: unknown): Problem =>
  new Problem('EPH_INTERNAL', `Cannot read the object "${key}": it is recorded, but the store does not have it`, { ...lost, cause })

export const objectShort = (key: string, until: number, cause?: unknown): Problem =>
  new Problem('EPH_INTERNAL', `Cannot read the object "${key}": it ends before byte ${until}, which is recorded`, { ...lost, cause })

export const objectTaken = (key: string): Problem =>
  new Problem('EPH_CONFLICT', `Cannot store the object "${key}": other bytes are stored under this key`)

export const partNotGiven = (key: string): Problem =>
  new Problem('EPH_BUCKET_UNAVAILABLE', `Cannot read the object "${key}": the server gives other bytes than those asked for`)

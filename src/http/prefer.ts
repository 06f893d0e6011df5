import type { FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '#core/errors.ts'

export const maxWaitSeconds = 55

/** Seconds that the caller would wait (`Prefer: wait=…`, RFC 7240), or null. Other preferences are ignored, as the RFC demands. */
export function waitSeconds (request: FastifyRequest): number | null {
  const { prefer } = request.headers
  if (prefer === undefined) return null
  const wait = [prefer].flat().join(',').split(',').map(preference => preference.split(';')[0]!.trim()).find(preference => /^wait\b/i.test(preference))
  if (wait === undefined) return null
  const seconds = /^wait\s*=\s*"?(\d{1,9})"?$/i.exec(wait)?.[1]
  if (seconds !== undefined && Number(seconds) <= maxWaitSeconds) return Number(seconds)
  throw new Problem('EPH_INVALID_REQUEST', `Cannot wait as preferred: "${wait.slice(0, 40)}" is not wait=SECONDS of at most ${maxWaitSeconds}`, {
    errors: [{ pointer: '/headers/prefer', detail: `must be wait=0 to wait=${maxWaitSeconds}` }]
  })
}

export function preferenceApplied (reply: FastifyReply, seconds: number): void {
  reply.header('preference-applied', `wait=${seconds}`)
}

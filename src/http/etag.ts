import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'

/** Weak: the same state in another format, or with other spaces, counts as the same. */
export const weakTag = (version: string): string => `W/"${version}"`

export const tagOf = (content: unknown): string =>
  weakTag(createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 22))

const bare = (tag: string) => tag.trim().replace(/^W\//, '')

/** Versions that the caller already has. */
export const knownTags = (request: FastifyRequest): string[] => [request.headers['if-none-match'] ?? []].flat().join(',').split(',').map(bare).filter(Boolean)

/** Whether the caller has this very version, by weak comparison (RFC 9110). */
export const isKnown = (request: FastifyRequest, tag: string): boolean =>
  knownTags(request).some(known => known === '*' || known === bare(tag))

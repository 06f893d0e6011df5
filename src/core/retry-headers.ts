import type { Problem } from './errors.ts'

const defaultSeconds = 5

/**
 * Of a refusal that passes (429, 503): Retry-After, and the quota that is used up beside those which `sent` names already, after the IETF
 * draft.
 */
export function retryHeaders ({ retryAfterSeconds, quota }: Problem, sent: Record<string, unknown>): Record<string, string> {
  const seconds = retryAfterSeconds ?? defaultSeconds
  const retry = { 'retry-after': `${seconds}` }
  if (quota === null) return retry
  const beside = (header: string, item: string) => [sent[header], item].filter(value => value !== undefined).join(', ')
  return {
    ...retry,
    'ratelimit-policy': beside('ratelimit-policy', `"${quota.name}";q=${quota.limit}`),
    ratelimit: beside('ratelimit', `"${quota.name}";r=0;t=${seconds}`)
  }
}

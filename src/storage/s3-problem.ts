import { Problem } from '#core/errors.ts'

interface Failure {
  name: string
  message: string
  code?: unknown
  $metadata?: { httpStatusCode?: number }
}

const asFailure = (error: unknown): Failure => error instanceof Error ? error : { name: '', message: String(error) }

/** What the server answered; undefined where it gave no answer. */
export const statusOf = (error: unknown): number | undefined => asFailure(error).$metadata?.httpStatusCode

export const isNoObject = (error: unknown): boolean => asFailure(error).name === 'NoSuchKey'

const credentialsRefused = new Set([
  'SignatureDoesNotMatch', 'InvalidAccessKeyId', 'InvalidToken', 'ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired',
  'InvalidClientTokenId', 'UnrecognizedClientException', 'AuthorizationHeaderMalformed', 'RequestTimeTooSkewed', 'XAdminUserNotFound'
])

function stateOf (error: unknown): string {
  const { name, message, code } = asFailure(error)
  const status = statusOf(error)
  if (name === 'CredentialsProviderError') return 'there are no credentials for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role'
  if (status === undefined) return `the server does not answer (${typeof code === 'string' ? code : message})`
  if (name === 'NoSuchBucket') return 'there is no such bucket; make it, or correct S3_BUCKET'
  if (credentialsRefused.has(name)) return `the server refuses the credentials (${name})`
  if (status === 401 || status === 403) return `the credentials may not do this (${name}); they need s3:PutObject, GetObject, DeleteObject and ListBucket`
  if (status >= 300 && status < 400) return 'the bucket is in another region; set S3_REGION'
  return `the server answers ${status} (${name})`
}

/** Whether nobody answers, or a server that cannot work: who asks for anything else meets the same. */
export function isAway (problem: unknown): boolean {
  if (!(problem instanceof Problem) || problem.code !== 'EPH_BUCKET_UNAVAILABLE' || problem.cause === undefined) return false
  const status = statusOf(problem.cause)
  return status === undefined || status >= 500
}

/** Whatever S3 fails with means that the store cannot be used now. */
export function s3Problem (doing: string, error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem('EPH_BUCKET_UNAVAILABLE', `Cannot ${doing}: ${stateOf(error)}`, { cause: error })
}

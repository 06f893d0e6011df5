import { ApiException } from '@kubernetes/client-node'
import { Problem, type ErrorCode, type ProblemOptions } from '#core/errors.ts'

/** The parts of a Kubernetes Status that say why something was refused. */
interface Status { reason: string, message: string, retryAfterSeconds: number | undefined }

/**
 * What a failed call to the API server means for us: the only place that reads its errors. `doing` completes "Cannot …".
 * Programming errors come back as they are.
 */
export function toProblem (doing: string, error: unknown): Error {
  if (error instanceof Problem) return error
  if (error instanceof ApiException) return refused(doing, error)
  if (!(error instanceof Error)) return new Problem('EPH_INTERNAL', `Cannot ${doing}: ${String(error)}`)
  if (error.cause === undefined && [TypeError, ReferenceError, RangeError].some(kind => error instanceof kind)) return error
  const detail = `Cannot ${doing}: the Kubernetes API cannot be reached (${deepestMessage(error)})`
  return new Problem('EPH_CLUSTER_UNAVAILABLE', detail, { cause: error })
}

/**
 * Whether a problem says that nobody answers, or somebody in front of an API server that cannot work. Answers are no outage: not even 429,
 * which keeps nobody waiting, or 500, which may come of one object or one webhook.
 */
export function isAway (problem: unknown): boolean {
  if (!(problem instanceof Problem) || problem.code !== 'EPH_CLUSTER_UNAVAILABLE') return false
  return !(problem.cause instanceof ApiException) || [502, 503, 504].includes(problem.cause.code)
}

function refused (doing: string, exception: ApiException<unknown>): Problem {
  const status = statusOf(exception)
  const problem = (code: ErrorCode, text = status.message, options: ProblemOptions = {}) =>
    new Problem(code, `Cannot ${doing}: ${text}`, { cause: exception, ...options })
  const unavailable = () => problem('EPH_CLUSTER_UNAVAILABLE', `the Kubernetes API answers ${exception.code} (${status.message})`,
    status.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: status.retryAfterSeconds })

  const { code } = exception
  if (code === 401) return problem('EPH_CLUSTER_UNAVAILABLE', 'the Kubernetes API refuses the credentials of Ephemera')
  if (code === 429 || code === 408 || code >= 500) return unavailable()
  if (/violates PodSecurity/.test(status.message)) return problem('EPH_POD_SECURITY')
  if (/admission webhook|denied (?:the )?request/.test(status.message)) return problem('EPH_ADMISSION_DENIED')
  // A patch that names the UID it means: of a pod of the same name that was made since.
  if (/UID in precondition|metadata\.uid: Invalid value/.test(status.message)) {
    return problem('EPH_POD_GONE', 'the pod was replaced by another of the same name', { effect: 'none' })
  }
  if (code === 403) {
    const rule = missingRule(status.message)
    return rule === null ? problem('EPH_ADMISSION_DENIED') : problem('EPH_ACCOUNT_FORBIDDEN', rule)
  }
  if (code === 404) return problem('EPH_NOT_FOUND')
  if (code === 409) return problem('EPH_CONFLICT', undefined, { effect: 'none' })
  if (code === 422) return problem(/targetContainerName: Not found/.test(status.message) ? 'EPH_CONTAINER_UNKNOWN' : 'EPH_ADMISSION_DENIED')
  if (code === 400) return problem('EPH_INVALID_REQUEST')
  return unavailable()
}

/** RBAC's own words, turned into the rule that is missing; null for refusals of another kind. */
export function missingRule (message: string): string | null {
  const match = /User "([^"]*)" cannot (\S+) (?:resource "([^"]+)" in API group "([^"]*)"|path "([^"]+)")(?:.*? in the namespace "([^"]+)")?/.exec(message)
  if (!match) return null
  const [, user, verb, resource, group, path, namespace] = match
  const rule = path === undefined
    ? `{apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"]}`
    : `{nonResourceURLs: ["${path}"], verbs: ["${verb}"]}`
  return `the account of Ephemera, "${user}", lacks the rule ${rule} ${namespace === undefined ? 'in the whole cluster' : `in namespace "${namespace}"`}`
}

function statusOf ({ body, message, headers }: ApiException<unknown>): Status {
  const header = Number(headers['retry-after'])
  const fallback = header > 0 ? header : undefined
  try {
    const status: unknown = typeof body === 'string' ? JSON.parse(body) : body
    if (typeof status === 'object' && status !== null && 'message' in status) {
      const { reason, message, details } = status as { reason?: string, message: string, details?: { retryAfterSeconds?: number } }
      return { reason: reason ?? '', message: String(message).slice(0, 2000), retryAfterSeconds: fallback ?? details?.retryAfterSeconds }
    }
  } catch { /* Not JSON: proxies and kubelets answer in plain text. */ }
  const text = typeof body === 'string' && body.trim() !== '' ? body.trim() : message.split('\n')[1] ?? message
  return { reason: '', message: text.slice(0, 2000), retryAfterSeconds: fallback }
}

/** `fetch failed` says nothing; what the socket said stands at the end of the chain of causes. */
function deepestMessage (error: Error): string {
  let deepest = error
  for (let depth = 0; depth < 5 && deepest.cause instanceof Error; depth++) deepest = deepest.cause
  const code = 'code' in deepest && typeof deepest.code === 'string' && !deepest.message.includes(deepest.code) ? `${deepest.code}: ` : ''
  return code + (deepest.message || deepest.name)
}

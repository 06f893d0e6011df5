/** Whether repeating the same request may succeed: never as it is, after a while, at once. */
export type Retryable = 'no' | 'later' | 'now'

/** What the refused or failed request may have left in a pod. */
export type Effect = 'none' | 'unknown' | 'done'

export interface ErrorDefinition {
  status: number
  title: string
  /** What the caller can do about it, for `/problems/{code}` and the reference. */
  remedy: string
  retryable: Retryable
  effect: Effect
}

const define = (status: number, title: string, remedy: string, retryable: Retryable = 'no', effect: Effect = 'none'): ErrorDefinition =>
  ({ status, title, remedy, retryable, effect })

/** Every coded error of Ephemera. A code is never reused after its removal. */
export const errorTable = {
  EPH_MALFORMED: define(400, 'The request cannot be read', 'Send well-formed JSON with Content-Type application/json'),
  EPH_INVALID_REQUEST: define(400, 'The request does not fit its schema', 'Correct the fields that errors[] points to'),
  EPH_CURSOR_INVALID: define(400, 'The cursor does not belong to this list', 'Start again without cursor, or repeat the filters it was made with'),
  EPH_UNAUTHENTICATED: define(401, 'Nobody could be identified', 'Send Authorization: Bearer with a valid token of the right audience'),
  EPH_FORBIDDEN: define(403, 'The caller may not do this', 'Ask for the RBAC rule that the detail names'),
  EPH_NOT_FOUND: define(404, 'There is nothing here, or nothing you may see', 'Check the id and your rights in its namespace'),
  EPH_METHOD_NOT_ALLOWED: define(405, 'The method does not fit this address', 'See /docs for the methods of this address'),
  EPH_CONFLICT: define(409, 'The state of the thing does not allow this', 'Read it again and decide anew'),
  EPH_ARTIFACT_EXPIRED: define(410, 'The artifact has expired', 'Only its tombstone with size and checksum is left'),
  EPH_TOO_LARGE: define(413, 'The request is too large', 'Send a body of at most 1 MiB'),
  EPH_MEDIA_TYPE: define(415, 'The content type is not accepted', 'Send application/json'),
  EPH_RANGE: define(416, 'The range lies outside the content', 'Ask for a range below the size'),
  EPH_PARAMS_INVALID: define(422, 'The parameters do not fit the diagnostic', 'Correct the parameters that errors[] points to'),
  EPH_NOT_SUPPORTED: define(422, 'This version does not do what was asked', 'Leave the named field, header or parameter out'),
  EPH_DIAGNOSTIC_UNKNOWN: define(422, 'There is no such diagnostic', 'See GET /v1/diagnostics'),
  EPH_IMAGE_UNKNOWN: define(422, 'The image is not on the operator\'s list', 'See GET /v1/capabilities for the names'),
  EPH_NAMESPACE_UNKNOWN: define(422, 'There is no such namespace', 'Check the name'),
  EPH_TARGET_UNKNOWN: define(422, 'There is no such target', 'Check namespace, kind and name; see GET /v1/targets'),
  EPH_TARGET_EMPTY: define(422, 'The target has no pod', 'Check its selector; see GET /v1/targets', 'later'),
  EPH_CONTAINER_UNKNOWN: define(422, 'The pod has no such container', 'Name one of the containers in the detail'),
  EPH_NAMESPACE_REQUIRED: define(422, 'A namespace must be named', 'Repeat the call with namespace='),
  EPH_IDEMPOTENCY_MISMATCH: define(422, 'The Idempotency-Key was used for another request', 'Use a new key for a new request'),
  EPH_POD_NOT_RUNNING: define(422, 'The pod is not running', 'Wait until it runs; a finished pod can no longer be looked into', 'later'),
  EPH_POD_DELETING: define(422, 'The pod is being deleted', 'Choose its successor'),
  EPH_POD_STATIC: define(422, 'The pod is static', 'The API server takes no ephemeral containers for static (mirror) pods'),
  EPH_HOST_NETWORK: define(422, 'The pod uses the network of its node', 'Ask the operator to allow hostNetwork pods'),
  EPH_HOST_PID: define(422, 'The pod sees all processes of its node', 'Ask the operator to allow hostPID pods'),
  EPH_OS_UNSUPPORTED: define(422, 'The pod does not run on Linux', 'Only Linux pods can be looked into'),
  EPH_BUDGET_EXHAUSTED: define(422, 'The pod has no room for another ephemeral container of ours', 'Ephemeral containers stay until the pod is replaced: restart the workload, or reuse a living session'),
  EPH_OWNER_REFUSED: define(422, 'The owner of the pod refuses this', 'The annotation ephemera.dev/diagnostics on the pod or its namespace says so'),
  EPH_POD_SECURITY: define(422, 'The namespace\'s PodSecurity level refuses every profile of this diagnostic', 'Choose a diagnostic that needs less, or ask for another level'),
  EPH_ADMISSION_DENIED: define(422, 'An admission policy of the cluster refuses the container', 'Show the detail to whoever keeps the policy'),
  EPH_EPHEMERAL_UNSUPPORTED: define(422, 'The cluster has no ephemeral containers', 'They exist since Kubernetes 1.25'),
  EPH_POD_GONE: define(409, 'The pod is gone or was replaced', 'Launch again on its successor', 'now', 'unknown'),
  EPH_NODE_GONE: define(409, 'The node of the pod cannot be reached', 'Look at the node; launch again when it is back', 'later', 'unknown'),
  EPH_IMAGE_PULL: define(422, 'The image of the session cannot be pulled', 'See the detail; the pod\'s own pull secrets are used', 'later', 'done'),
  EPH_CONTAINER_NOT_STARTED: define(422, 'The ephemeral container did not start', 'See the detail', 'later', 'done'),
  EPH_IMAGE_WITHOUT_RUNNER: define(422, 'The image has no runner that the service can talk to', 'Add COPY --from=ephemera/toolbox /ephemera /ephemera to the image, of the toolbox that belongs to this version of the service', 'no', 'done'),
  EPH_TOOL_MISSING: define(422, 'The image lacks a tool that the diagnostic needs', 'Use the toolbox image, or add the tool', 'no', 'done'),
  EPH_OUTPUT_UNREADABLE: define(200, 'The output of the tool cannot be read', 'Read the raw output of the run', 'no', 'done'),
  EPH_OUTPUT_LIMIT: define(200, 'The output went beyond its limit', 'Ask for less', 'no', 'done'),
  EPH_RUN_TIMEOUT: define(504, 'The measurement did not end within its time', 'Give a larger timeoutSeconds', 'now', 'done'),
  EPH_CANCELLED: define(200, 'The job was cancelled', 'Launch again if it is still needed', 'now', 'done'),
  EPH_OUT_OF_MEMORY: define(200, 'The tool was killed for memory', 'The pod has too little headroom; ask for less', 'later', 'done'),
  EPH_TOOL_KILLED: define(200, 'The tool was killed by a signal', 'Launch again; see the run for the signal', 'now', 'done'),
  EPH_CHANNEL_LOST: define(503, 'The connection to the pod was lost before the tool started', 'Launch again', 'later', 'none'),
  EPH_INDETERMINATE: define(503, 'The connection to the pod was lost while the tool ran', 'See what the run stored; launch again if a second run does no harm', 'no', 'unknown'),
  EPH_SHUTDOWN: define(503, 'The service was stopped while the tool ran', 'Launch again', 'now', 'done'),
  EPH_STORE_STALLED: define(503, 'The store took no bytes for too long', 'Look at the object storage; launch again', 'later', 'done'),
  EPH_EXPIRED: define(200, 'The job was not started in time', 'Give a larger startWithinSeconds', 'now'),
  EPH_DENIED: define(403, 'The approval was refused', 'Ask who refused it'),
  EPH_INTERNAL: define(500, 'Something failed in the service', 'Report it with the request id', 'later', 'unknown'),
  EPH_QUOTA: define(429, 'Too many jobs wait already', 'Come back after Retry-After', 'later'),
  EPH_RATE_LIMITED: define(429, 'Too many requests', 'Come back after Retry-After', 'later'),
  EPH_ACCOUNT_FORBIDDEN: define(503, 'Ephemera\'s own account lacks a right in the cluster', 'Grant the rule that the detail names to the account Ephemera runs as', 'later'),
  EPH_CLUSTER_UNAVAILABLE: define(503, 'The Kubernetes API does not answer', 'Come back after Retry-After', 'later'),
  EPH_DATABASE_UNAVAILABLE: define(503, 'The database does not answer', 'Come back after Retry-After', 'later'),
  EPH_BUCKET_UNAVAILABLE: define(503, 'The object storage does not answer', 'Come back after Retry-After', 'later'),
  EPH_QUEUE_UNAVAILABLE: define(503, 'The queue of wake-ups does not answer', 'Come back after Retry-After', 'later')
} as const satisfies Record<string, ErrorDefinition>

export type ErrorCode = keyof typeof errorTable

/** One place in a request that is wrong: a JSON pointer and what is the matter there. */
export interface FieldError { pointer: string, detail: string }

/** As the headers RateLimit and RateLimit-Policy name it. */
export interface Quota { name: string, limit: number }

export interface ProblemOptions extends ErrorOptions {
  errors?: FieldError[]
  /** Differs from the table where the place of the failure knows better. */
  effect?: Effect
  retryable?: Retryable
  /** Where whoever refused named a time. */
  retryAfterSeconds?: number
  /** The quota that is used up. */
  quota?: Quota
}

/** An error with a code of the table; its message is the `detail` that callers read: "Cannot <verb> <thing>: <state>". */
export class Problem extends Error {
  readonly code: ErrorCode
  readonly errors: FieldError[]
  readonly effect: Effect
  readonly retryable: Retryable
  readonly retryAfterSeconds: number | null
  readonly quota: Quota | null

  constructor (code: ErrorCode, detail: string, options: ProblemOptions = {}) {
    const { errors = [], effect, retryable, retryAfterSeconds, quota, ...rest } = options
    super(detail, rest)
    this.name = 'Problem'
    this.code = code
    this.errors = errors
    this.effect = effect ?? errorTable[code].effect
    this.retryable = retryable ?? errorTable[code].retryable
    this.retryAfterSeconds = retryAfterSeconds ?? null
    this.quota = quota ?? null
  }

  get status (): number { return errorTable[this.code].status }
}

/** The problem in an unknown error; anything without a code is EPH_INTERNAL and keeps its cause for the log. */
export function asProblem (error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem('EPH_INTERNAL', 'Cannot finish the request: an unexpected error was logged', { cause: error })
}

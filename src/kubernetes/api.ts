import {
  AdmissionregistrationV1Api, ApisApi, AppsV1Api, AuthenticationV1Api, AuthorizationV1Api, BatchV1Api, CoreV1Api, DiscoveryV1Api,
  HttpMethod, IsomorphicFetchHttpLibrary, NetworkingV1Api, Observable, RequestContext, ServerConfiguration, VersionApi, ApiException,
  createConfiguration, type Configuration, type ConfigurationOptions, type KubeConfig, type ObservableMiddleware,
  type SecurityAuthentication, PatchStrategy
} from '@kubernetes/client-node'
import { createBreaker } from '#core/breaker.ts'
import { Problem } from '#core/errors.ts'
import { repeat } from './repeat.ts'
import { isAway, toProblem } from './status-error.ts'

type Request<T> = (options: ConfigurationOptions) => Promise<T>

export interface CallOptions {
  signal?: AbortSignal | undefined
  /** For the call and its repetitions; 10 s by default. */
  timeoutMs?: number
  /**
   * A strategic merge patch. Webhooks judge it, whose failures say nothing of the API server; and it is made once, because whoever wants to
   * repeat it must look first.
   */
  isPatch?: boolean
}

export interface ApiOptions {
  timeoutMs?: number | undefined
  /** Called with the reason when the API server is taken for away, and with null when it answers again. */
  changed?: ((why: unknown) => void) | undefined
}

/**
 * Typed calls over shared connections, each with a time limit; their errors are Problems. What is only asked is asked again after 429, 5xx
 * or a broken connection; of an API server that is away nothing is asked until it answers again.
 */
export interface Api {
  core: CoreV1Api
  /** Groups of the API. */
  groups: ApisApi
  admission: AdmissionregistrationV1Api
  apps: AppsV1Api
  batch: BatchV1Api
  discovery: DiscoveryV1Api
  networking: NetworkingV1Api
  authentication: AuthenticationV1Api
  authorization: AuthorizationV1Api
  version: VersionApi
  /** `doing` completes "Cannot …". Rejects with the signal's reason when the caller gave up. */
  call<T> (doing: string, request: Request<T>, options?: CallOptions): Promise<T>
  /** The body of a GET that never ends by itself (a watch): lives until its signal. */
  stream (doing: string, path: string, query: Record<string, string>, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>
  /** Whether calls are refused for now, because nobody answered. */
  readonly isAway: boolean
  /** Rejects while the API server is away. */
  check (): Promise<void>
  close (): Promise<void>
}

const probeMs = 3000

export function createApi (config: KubeConfig, { timeoutMs: defaultMs = 10_000, changed }: ApiOptions = {}): Api {
  const server = config.getCurrentCluster()!.server.replace(/\/$/, '')
  const authentication = shareConnections(config)
  const http = new IsomorphicFetchHttpLibrary()
  // A configuration of its own for each client: the library reverses the list of middleware in place.
  const make = <T>(Client: new (configuration: Configuration) => T): T => new Client(createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: authentication },
    httpApi: http
  }))

  const version = make(VersionApi)

  async function attempt<T> (doing: string, request: Request<T>, limit: AbortSignal, { signal, isPatch }: CallOptions): Promise<T> {
    const middleware = prepare(signal ? AbortSignal.any([signal, limit]) : limit, isPatch ? PatchStrategy.StrategicMergePatch : undefined)
    try {
      return await request({ middleware: [middleware], middlewareMergeStrategy: 'append' })
    } catch (error) {
      signal?.throwIfAborted()
      throw toProblem(doing, error)
    }
  }

  const breaker = createBreaker({
    isOutage: isAway,
    probe: async () => { await attempt('reach the cluster', options => version.getCode({}, options), AbortSignal.timeout(probeMs), {}) },
    changed
  })

  return {
    core: make(CoreV1Api),
    groups: make(ApisApi),
    admission: make(AdmissionregistrationV1Api),
    apps: make(AppsV1Api),
    batch: make(BatchV1Api),
    discovery: make(DiscoveryV1Api),
    networking: make(NetworkingV1Api),
    authentication: make(AuthenticationV1Api),
    authorization: make(AuthorizationV1Api),
    version,

    async call (doing, request, options = {}) {
      const { signal, isPatch, timeoutMs = defaultMs } = options
      signal?.throwIfAborted()
      // The reason is another call's problem, which speaks of what that one was doing.
      const refuse = (why: unknown) => toProblem(doing, why instanceof Problem ? why.cause : why)
      const limit = AbortSignal.timeout(timeoutMs)
      if (isPatch) {
        breaker.demand(refuse)
        return await attempt(doing, request, limit, options)
      }
      return await repeat(() => breaker.through(() => attempt(doing, request, limit, options), refuse),
        { withinMs: timeoutMs, signal, isWorth: () => !breaker.isOpen })
    },

    async stream (doing, path, query, signal) {
      try {
        const context = new RequestContext(`${server}${path}?${new URLSearchParams(query)}`, HttpMethod.GET)
        context.setSignal(signal)
        await authentication.applySecurityAuthentication(context)
        const response = await http.send(context).toPromise()
        if (response.httpStatusCode !== 200) {
          throw new ApiException(response.httpStatusCode, '', await response.body.text(), response.headers)
        }
        return response.body.stream()!
      } catch (error) {
        signal.throwIfAborted()
        throw toProblem(doing, error)
      }
    },

    get isAway () { return breaker.isOpen },
    check: breaker.check,

    async close () {
      breaker.close()
      await authentication.close()
    }
  }
}

function prepare (signal: AbortSignal, contentType?: string): ObservableMiddleware {
  return {
    pre (context) {
      context.setSignal(signal)
      context.setHeaderParam('User-Agent', 'ephemera')
      if (contentType) context.setHeaderParam('Content-Type', contentType)
      return new Observable(Promise.resolve(context))
    },
    post: response => new Observable(Promise.resolve(response))
  }
}

type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>

// Short enough that renewed client certificates are taken up, long enough that handshakes cost nothing.
const connectionsLifeMs = 600_000

/**
 * The library gives each call a dispatcher of its own, and with it a TLS connection. Here calls share one; headers (tokens that are
 * renewed) are still made anew for each.
 */
function shareConnections (config: KubeConfig): SecurityAuthentication & { close (): Promise<void> } {
  let shared: { dispatcher: Dispatcher, since: number } | null = null
  return {
    getName: () => config.getName(),
    async applySecurityAuthentication (context) {
      await config.applySecurityAuthentication(context)
      if (shared && performance.now() - shared.since > connectionsLifeMs) {
        // Ends when its last call has ended; a failure of one of them was that call's own.
        shared.dispatcher.close().catch(() => {})
        shared = null
      }
      const made = context.getDispatcher()
      if (shared) context.setDispatcher(shared.dispatcher)
      else if (made) shared = { dispatcher: made, since: performance.now() }
    },
    async close () {
      await shared?.dispatcher.destroy()
      shared = null
    }
  }
}

import {
  AdmissionregistrationV1Api, ApisApi, AppsV1Api, AuthenticationV1Api, AuthorizationV1Api, BatchV1Api, CoreV1Api, DiscoveryV1Api,
  HttpMethod, IsomorphicFetchHttpLibrary, NetworkingV1Api, Observable, RequestContext, ServerConfiguration, VersionApi, ApiException,
  createConfiguration, type Configuration, type ConfigurationOptions, type KubeConfig, type ObservableMiddleware,
  type SecurityAuthentication
} from '@kubernetes/client-node'
import { toProblem } from './status-error.ts'

export interface CallOptions { signal?: AbortSignal | undefined, contentType?: string }

/** Typed calls over shared connections, each with a time limit; their errors are Problems. */
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
  call<T> (doing: string, request: (options: ConfigurationOptions) => Promise<T>, options?: CallOptions): Promise<T>
  /** The body of a GET that never ends by itself (a watch): lives until its signal. */
  stream (doing: string, path: string, query: Record<string, string>, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>
  close (): Promise<void>
}

export function createApi (config: KubeConfig, timeoutMs = 10_000): Api {
  const server = config.getCurrentCluster()!.server.replace(/\/$/, '')
  const authentication = shareConnections(config)
  const http = new IsomorphicFetchHttpLibrary()
  // A configuration of its own for each client: the library reverses the list of middleware in place.
  const make = <T>(Client: new (configuration: Configuration) => T): T => new Client(createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: authentication },
    httpApi: http
  }))

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
    version: make(VersionApi),

    async call (doing, request, { signal, contentType } = {}) {
      signal?.throwIfAborted()
      const limit = AbortSignal.timeout(timeoutMs)
      const middleware = prepare(signal ? AbortSignal.any([signal, limit]) : limit, contentType)
      try {
        return await request({ middleware: [middleware], middlewareMergeStrategy: 'append' })
      } catch (error) {
        signal?.throwIfAborted()
        throw toProblem(doing, error)
      }
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

    close: () => authentication.close()
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
      if (shared && Date.now() - shared.since > connectionsLifeMs) {
        // Ends when its last call has ended; a failure of one of them was that call's own.
        shared.dispatcher.close().catch(() => {})
        shared = null
      }
      const made = context.getDispatcher()
      if (shared) context.setDispatcher(shared.dispatcher)
      else if (made) shared = { dispatcher: made, since: Date.now() }
    },
    async close () {
      await shared?.dispatcher.destroy()
      shared = null
    }
  }
}

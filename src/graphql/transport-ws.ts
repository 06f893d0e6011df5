import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import type { ExecutionResult } from 'graphql'
import type { Problem } from '#core/errors.ts'
import type { Principal } from '#core/principal.ts'
import type { ReportFailures } from './report-failures.ts'

export const protocol = 'graphql-transport-ws'
const initSeconds = 10
const pingSeconds = 15
const maxSubscriptions = 50
/** Of the protocol, by the status of what was refused; anything else may be tried again. */
const closeCodes: Record<number, number> = { 401: 4403, 403: 4403, 429: 4429 }

export interface Subscriptions {
  identify (authorization: string | undefined, request: FastifyRequest): Promise<Principal>
  execute (payload: unknown, caller: Principal, signal: AbortSignal): AsyncIterable<ExecutionResult>
  reportFailures: ReportFailures
  closing: AbortSignal
}

interface Message { type: string, id?: unknown, payload?: unknown }

function readMessage (data: unknown, isBinary: boolean): Message {
  try {
    const message = isBinary ? null : JSON.parse(String(data)) as Message | null
    return typeof message?.type === 'string' ? message : { type: '' }
  } catch {
    return { type: '' }
  }
}

/** Clients write the name of the header as they like. */
function authorizationOf (payload: unknown): string | undefined {
  const entries = Object.entries(typeof payload === 'object' && payload !== null ? payload : {})
  const [, value] = entries.find(([name]) => name.toLowerCase() === 'authorization') ?? []
  return typeof value === 'string' ? value : undefined
}

/**
 * One WebSocket of graphql-transport-ws (github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md), for subscriptions alone. The one that
 * mercurius brings tells no codes, shows the texts of unexpected errors, waits without end for whoever does not say who he is, and is
 * closed to browsers by its own protection against forged requests.
 */
export function serveSubscriptions (socket: WebSocket, request: FastifyRequest, subscriptions: Subscriptions): void {
  const { identify, execute, reportFailures, closing } = subscriptions
  const { log, id: requestId } = request
  const gone = new AbortController()
  const running = new Map<string, AbortController>()
  let caller: Principal | null = null
  let isInitialised = false
  let isAnswering = true

  /** Fulfilled when it is on its way, so that nobody writes faster than the caller reads. */
  const send = (message: Message) => new Promise<void>(resolve => { socket.send(JSON.stringify(message), () => { resolve() }) })
  const report = (errors: readonly Error[]) => reportFailures({ errors }, { principal: caller, id: requestId, log, object: 'GET /graphql' })

  async function initialise (payload: unknown): Promise<void> {
    if (isInitialised) return socket.close(4429, 'Too many initialisation requests')
    isInitialised = true
    clearTimeout(initTimer)
    try {
      caller = await identify(authorizationOf(payload) ?? request.headers.authorization, request)
    } catch (error) {
      const { code, status } = (await report([error as Error])).problems[0] as Problem
      return socket.close(closeCodes[status] ?? 1013, code)
    }
    await send({ type: 'connection_ack' })
  }

  async function start (id: string, payload: unknown, principal: Principal): Promise<void> {
    const ending = new AbortController()
    running.set(id, ending)
    const signal = AbortSignal.any([ending.signal, gone.signal, closing])
    const fail = async (errors: readonly Error[]) => {
      if (signal.aborted) return
      const { response } = await report(errors)
      await send({ id, type: 'error', payload: response.errors })
    }
    try {
      for await (const execution of execute(payload, principal, signal)) {
        if (execution.errors) return await fail(execution.errors)
        if (!signal.aborted) await send({ id, type: 'next', payload: execution })
      }
      // Not when the service stops: whoever connects again resumes with `after`.
      if (!signal.aborted) await send({ id, type: 'complete' })
    } catch (error) {
      await fail([error as Error])
    } finally {
      if (running.get(id) === ending) running.delete(id)
    }
  }

  async function receive ({ type, id, payload }: Message): Promise<void> {
    if (type === 'ping') return await send({ type: 'pong' })
    if (type === 'pong') return
    if (type === 'connection_init') return await initialise(payload)
    if (typeof id !== 'string' || id === '' || !['subscribe', 'complete'].includes(type)) return socket.close(4400, 'Invalid message')
    if (!caller) return socket.close(4401, 'Unauthorized')
    if (type === 'complete') {
      running.get(id)?.abort()
      running.delete(id)
      return
    }
    if (running.has(id)) return socket.close(4409, 'Subscriber already exists')
    if (running.size >= maxSubscriptions) return socket.close(4429, `Too many subscriptions: at most ${maxSubscriptions}`)
    await start(id, payload, caller)
  }

  const initTimer = setTimeout(() => { socket.close(4408, 'Connection initialisation timeout') }, initSeconds * 1000)
  const pingTimer = setInterval(() => {
    if (!isAnswering) return socket.terminate()
    isAnswering = false
    socket.ping()
  }, pingSeconds * 1000)
  socket.on('pong', () => { isAnswering = true })
  socket.on('message', (data, isBinary) => {
    receive(readMessage(data, isBinary)).catch((error: unknown) => {
      log.error({ err: error }, 'WebSocket failed')
      socket.close(1011, 'EPH_INTERNAL')
    })
  })
  socket.on('close', () => {
    clearTimeout(initTimer)
    clearInterval(pingTimer)
    gone.abort()
  })
  closing.addEventListener('abort', () => { socket.close(1001, 'The service stops') }, { signal: gone.signal })
  if (socket.protocol !== protocol) socket.close(4406, 'Subprotocol not acceptable')
}

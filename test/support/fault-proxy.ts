import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { resetSocket } from './reset-socket.ts'

export interface FaultProxy {
  readonly port: number
  /** Connections that were made through it so far. */
  readonly accepted: number
  /** Connections that live now. */
  readonly open: number
  /** Resets every connection. */
  cut (): void
  /** The same once the server has sent so many bytes from now on, on all connections together; what comes behind them is not passed on. */
  cutAfter (bytes: number): void
  /** Half open: connections stay, and from now on everything on them (and on new ones) is swallowed, their end too. */
  blackhole (): void
  /** New connections work again; swallowed ones stay so until they are cut. */
  heal (): void
  /** New connections are reset at once, as long as it is true. */
  refuse (refused: boolean): void
  /** Every chunk waits so long, in both directions. */
  delay (ms: number): void
  /** Bytes per second of each direction of each connection; 0: none. */
  limit (bytesPerSecond: number): void
  close (): Promise<void>
}

interface Link { sockets: Socket[], swallowed: boolean }

/** A TCP proxy on loopback in front of a server, which breaks connections as networks do; gone with the test. */
export async function createFaultProxy (t: Test, target: { host: string, port: number }): Promise<FaultProxy> {
  const links = new Set<Link>()
  const state = { accepted: 0, isBlackhole: false, isRefusing: false, delayMs: 0, bytesPerSecond: 0, bytesLeft: Infinity }

  async function pump (link: Link, from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (from === link.sockets[1] && (state.bytesLeft -= chunk.length) < 0) {
        const passed = chunk.length + state.bytesLeft
        state.bytesLeft = Infinity
        if (passed > 0) await new Promise(resolve => to.write(chunk.subarray(0, passed), resolve))
        return cut()
      }
      if (state.delayMs > 0) await sleep(state.delayMs)
      if (state.bytesPerSecond > 0) await sleep(chunk.length / state.bytesPerSecond * 1000)
      if (!link.swallowed && !to.write(chunk)) await once(to, 'drain')
    }
    if (!link.swallowed) to.end()
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, client => {
    state.accepted++
    client.on('error', () => {})
    if (state.isRefusing) {
      resetSocket(client)
      return
    }
    const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true })
    upstream.on('error', () => {})
    const link: Link = { sockets: [client, upstream], swallowed: state.isBlackhole }
    links.add(link)
    const breakBoth = () => { for (const socket of link.sockets) socket.destroy() }
    // A broken half breaks the other one, as a router's death does; errors are what this proxy is for.
    Promise.all([pump(link, client, upstream), pump(link, upstream, client)]).catch(breakBoth)
    for (const socket of link.sockets) {
      socket.on('close', () => {
        links.delete(link)
        if (!link.swallowed) breakBoth()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function cut (): void {
    for (const link of links) link.sockets.forEach(resetSocket)
  }

  async function close (): Promise<void> {
    cut()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  }
  t.teardown(close)

  return {
    port: (server.address() as AddressInfo).port,
    get accepted () { return state.accepted },
    get open () { return links.size },
    cut,
    cutAfter (bytes) { state.bytesLeft = bytes },
    blackhole () {
      state.isBlackhole = true
      for (const link of links) link.swallowed = true
    },
    heal () { state.isBlackhole = false },
    refuse (refused) { state.isRefusing = refused },
    delay (ms) { state.delayMs = ms },
    limit (bytesPerSecond) { state.bytesPerSecond = bytesPerSecond },
    close
  }
}

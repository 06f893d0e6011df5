import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

export interface Notifications {
  /** Calls back with each payload that another process sent; with null when some may have been missed, because the connection was lost. */
  listen (channel: string, heard: (payload: string | null) => void): () => void
  /** Best effort: lost when the connection is. Resolves false then. */
  notify (channel: string, payload: string): Promise<boolean>
  close (): Promise<void>
}

const firstRetryMs = 100
const lastRetryMs = 5000

/** LISTEN and NOTIFY on one dedicated connection that comes back by itself; never through a pooler, which would lose the LISTEN. */
export function createNotifications ({ directUrl }: { directUrl: string }): Notifications {
  const listeners = new Map<string, Set<(payload: string | null) => void>>()
  const closing = new AbortController()
  const closed = new Promise<void>(resolve => { closing.signal.addEventListener('abort', () => resolve()) })
  let client: pg.Client | null = null

  async function connectOnce (): Promise<void> {
    const next = new pg.Client({
      connectionString: directUrl,
      connectionTimeoutMillis: 5000,
      query_timeout: 15_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: 'ephemera-listen'
    })
    const lost = new Promise<void>(resolve => {
      next.on('error', () => resolve())
      next.on('end', () => resolve())
    })
    next.on('notification', ({ channel, payload, processId }) => {
      const own = 'processID' in next && next.processID === processId
      if (!own) for (const heard of listeners.get(channel) ?? []) heard(payload ?? '')
    })
    try {
      await next.connect()
      for (const channel of listeners.keys()) await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`)
      client = next
      for (const set of listeners.values()) for (const heard of set) heard(null)
      await Promise.race([lost, closed])
    } finally {
      client = null
      await next.end().catch(() => {}) // already lost
    }
  }

  async function stayConnected (): Promise<void> {
    for (let retryMs = firstRetryMs; !closing.signal.aborted;) {
      const since = performance.now()
      await connectOnce().catch(() => {}) // said by the pool, which meets the same server
      retryMs = performance.now() - since > lastRetryMs ? firstRetryMs : Math.min(retryMs * 2, lastRetryMs)
      await delay(retryMs, undefined, { signal: closing.signal }).catch(() => {})
    }
  }
  const connected = stayConnected()

  return {
    listen (channel, heard) {
      const set = listeners.get(channel) ?? new Set()
      listeners.set(channel, set.add(heard))
      // Where this fails the connection is lost, and the next one listens.
      if (set.size === 1) client?.query(`LISTEN ${pg.escapeIdentifier(channel)}`).catch(() => {})
      return () => { set.delete(heard) }
    },
    async notify (channel, payload) {
      const current = client
      if (!current) return false
      try {
        await current.query('SELECT pg_notify($1, $2)', [channel, payload])
        return true
      } catch {
        current.end().catch(() => {}) // half open, it would not be seen to be lost
        return false
      }
    },
    async close () {
      closing.abort()
      await connected
    }
  }
}

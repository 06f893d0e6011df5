import { setTimeout as delay } from 'node:timers/promises'
import type { Job, JobRequest } from '#core/job.ts'

interface Content { body?: unknown, headers?: Record<string, string> }
interface JobEvent { id: number, type: string, data: Record<string, unknown> }
export interface Answer<T = Record<string, unknown>> { status: number, headers: Headers, body: T }

/** A caller of the API, as one would write it with fetch. */
export function createClient ({ url, token }: { url: string, token: string }) {
  async function call<T = Record<string, unknown>> (method: string, path: string, content: Content = {}): Promise<Answer<T>> {
    const { body, headers = {} } = content
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') && !response.headers.get('content-type')?.includes('ndjson')
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T }
  }

  return {
    url,
    token,
    call,
    /** Launches and answers the accepted job. */
    async launch (request: JobRequest, headers: Record<string, string> = {}): Promise<Job> {
      const answer = await call<Job>('POST', '/v1/jobs', { body: request, headers })
      if (answer.status > 202) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    /** The job once it is final. */
    async final (id: string, seconds = 120): Promise<Job> {
      const end = Date.now() + seconds * 1000
      for (;;) {
        const { status, body } = await call<Job>('GET', `/v1/jobs/${id}`, { headers: { prefer: 'wait=5' } })
        if (body.finishedAt) return body
        if (Date.now() > end) throw new Error(`Job ${id} is still ${body.state} after ${seconds} s (${status})`)
        if (status !== 200) await delay(200)
      }
    },
    /** Bytes that are stored so far of what the first run of a job captures. */
    async storedBytes (id: string): Promise<number> {
      const [run] = (await call<Job>('GET', `/v1/jobs/${id}`)).body.pods.items[0]!.runs
      return run?.artifacts[0]?.sizeBytes ?? 0
    },
    /** The data of a query or mutation that must not fail. */
    async graphql<T> (query: string, variables: Record<string, unknown>): Promise<T> {
      const { body } = await call<{ data?: T | null, errors?: unknown }>('POST', '/graphql', { body: { query, variables } })
      if (!body.data || body.errors) throw new Error(`GraphQL: ${JSON.stringify(body)}`)
      return body.data
    },
    async bytes (path: string): Promise<Buffer> {
      const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } })
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
      return Buffer.from(await response.arrayBuffer())
    },
    /** Server-sent events of a job until `end`, or until `until` says so; those after an id where it is given. */
    async events (id: string, until: (event: JobEvent) => boolean = () => false, lastEventId?: number) {
      const controller = new AbortController()
      const resumed = lastEventId === undefined ? {} : { 'last-event-id': `${lastEventId}` }
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...resumed }
      const response = await fetch(`${url}/v1/jobs/${id}/events`, { headers, signal: controller.signal })
      const events: JobEvent[] = []
      let text = ''
      for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
        text += part
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const fields = Object.fromEntries(text.slice(0, end).split('\n').filter(line => !line.startsWith(':')).map(line => line.split(/: ?(.*)/s) as [string, string]))
          text = text.slice(end + 2)
          if (fields.data === undefined) continue
          const event = { id: Number(fields.id), type: fields.event ?? 'message', data: JSON.parse(fields.data) }
          events.push(event)
          if (until(event)) { controller.abort(); return events }
        }
      }
      return events
    }
  }
}
export type Client = ReturnType<typeof createClient>

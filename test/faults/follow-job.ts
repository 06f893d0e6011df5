import { setTimeout as delay } from 'node:timers/promises'

interface Event { seq: number, type: string, text: string }

/** Events that came in one stream; rejects, after handing over what came, when it was cut. */
async function readStream (response: Response, take: (event: Event) => void): Promise<void> {
  let text = ''
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = Object.fromEntries(text.slice(0, end).split('\n').map(line => line.split(/: ?(.*)/s) as [string, string]))
      text = text.slice(end + 2)
      if (fields.id !== undefined) take({ seq: Number(fields.id), type: fields.event!, text: fields.data! })
    }
  }
}

interface Options {
  url: string
  token: string
  id: string
  /** Aborted when nobody waits any longer. */
  signal: AbortSignal
  /** What is wrong with what was told, in words. */
  wrong (what: string): void
}

/** Follows a job to its `end`, resuming wherever its stream was cut; answers the final state, or null when it was given up. */
export async function followJob ({ url, token, id, signal, wrong }: Options): Promise<string | null> {
  let last = 0
  let final: string | null = null
  while (!final && !signal.aborted) {
    try {
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream', 'last-event-id': `${last}` }
      const response = await fetch(`${url}/v1/jobs/${id}/events`, { headers, signal })
      if (response.status === 404) wrong(`an acknowledged job is not found: ${id}`)
      if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
      await readStream(response, ({ seq, type, text }) => {
        // It is not kept, and has the number of the event before it.
        if (type === 'queue' && seq === last) return
        if (seq !== last + 1) wrong(`events of job ${id} go from ${last} to ${seq}`)
        if (final) wrong(`job ${id} has an event behind its end: ${seq} ${type}`)
        last = seq
        if (type === 'end') final = JSON.parse(text).state
      })
    } catch {
      await delay(500) // cut, refused or out of order: asked again, with what has come
    }
  }
  return final
}

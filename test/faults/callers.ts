import { setTimeout as delay } from 'node:timers/promises'
import type { Job } from '#core/job.ts'
import { requestOf, type TallyAddress } from './commands.ts'
import { followJob } from './follow-job.ts'
import type { PlannedJob } from './plan.ts'
import type { Place } from './servers.ts'

/** One answer that a caller got; `status` 0: none. */
export interface Told {
  at: number
  caller: number
  word: string
  what: string
  status: number
  id: string | null
  state: string | null
  code: string | null
}

export interface Callers {
  /** Every answer, in the order in which they came. */
  told: Told[]
  /** What was wrong with them, in words. */
  wrong: string[]
  /** A job from its launch to its end, as its caller sees it. */
  live (job: PlannedJob): Promise<void>
  /** Reads what was not followed, once. */
  readRest (): Promise<void>
}

interface Options {
  url: string
  place: Place
  tally: TallyAddress
  /** Aborted when nobody waits any longer. */
  signal: AbortSignal
}

const retryMs = 300
const longestPauseMs = 5000
const requestMs = 20_000

/** Callers of one API, who ask again where they got no answer, and write down each that they got. */
export function createCallers ({ url, place, tally, signal }: Options): Callers {
  const told: Told[] = []
  const wrong: string[] = []
  const unread: { job: PlannedJob, id: string }[] = []

  async function ask (job: PlannedJob, what: string, method: string, path: string, body?: object): Promise<Told> {
    const { caller, word, key } = job
    const answer: Told = { at: 0, caller, word, what, status: 0, id: null, state: null, code: null }
    try {
      const response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${place.tokens[caller]}`,
          ...body && { 'content-type': 'application/json' },
          ...body && key && { 'idempotency-key': key }
        },
        signal: AbortSignal.any([signal, AbortSignal.timeout(requestMs)]),
        ...body && { body: JSON.stringify(body) }
      })
      answer.status = response.status
      const content = await response.json() as Partial<Job> & { code?: string }
      Object.assign(answer, { id: content.id ?? null, state: content.state ?? null, code: content.code ?? null })
    } catch {
      answer.status = 0 // cut before all of it was read: nothing was said
    }
    answer.at = Date.now()
    told.push(answer)
    return answer
  }

  /** Until it is acknowledged or refused for good; without a key only once, since nobody knows what a lost answer said. */
  async function submit (job: PlannedJob): Promise<string | null> {
    const names = job.pods.map(nth => place.pods[nth]!)
    const target = names.length === 1
      ? { namespace: place.namespace, pod: names[0]! }
      : { namespace: place.namespace, labelSelector: 'app=sample', maxPods: names.length }
    const body = { ...requestOf(job, tally), target }
    for (let pauseMs = retryMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      const { status, id, code } = await ask(job, 'launch', 'POST', '/v1/jobs', body)
      if (status === 200 || status === 202) return id
      if (status >= 400 && status < 500 && status !== 429) {
        wrong.push(`a launch was refused: ${job.word} ${status} ${code}`)
        return null
      }
      if (!job.key) return null
      await delay(pauseMs)
    }
    return null
  }

  async function steer (job: PlannedJob, id: string, order: 'cancel' | 'finish', afterMs: number | null): Promise<void> {
    if (afterMs === null) return
    await delay(afterMs)
    for (let tries = 0; tries < 20 && !signal.aborted; tries++) {
      const { status } = await ask(job, order, 'POST', `/v1/jobs/${id}/${order}`)
      if (status >= 200 && status < 500) return
      await delay(retryMs)
    }
  }

  async function watch (job: PlannedJob, id: string): Promise<void> {
    const token = place.tokens[job.caller]!
    const final = await followJob({ url, token, id, signal, wrong: what => { wrong.push(what) } })
    if (!final) return
    while (!signal.aborted) {
      const { status, state } = await ask(job, 'read', 'GET', `/v1/jobs/${id}`)
      if (status === 200 && state !== final) wrong.push(`job ${id} ended ${final} in its events, and is ${state}`)
      if (status === 200) return
      await delay(retryMs)
    }
  }

  async function live (job: PlannedJob): Promise<void> {
    const ids = await Promise.all(Array.from({ length: job.copies }, () => submit(job)))
    const [id] = ids.filter(id => id !== null)
    if (!id) return
    if (ids.some(other => other !== null && other !== id)) wrong.push(`one key stands for several jobs: ${job.key} ${ids.join(', ')}`)
    if (!job.followed) {
      unread.push({ job, id })
      return
    }
    await Promise.all([
      ask(job, 'read', 'GET', `/v1/jobs/${id}`), watch(job, id), steer(job, id, 'cancel', job.cancelAfterMs), steer(job, id, 'finish', job.finishAfterMs)
    ])
  }

  /** A few at a time. */
  async function readRest (): Promise<void> {
    const rest = unread.values()
    await Promise.all(Array.from({ length: 8 }, async () => { for (const { job, id } of rest) await ask(job, 'read', 'GET', `/v1/jobs/${id}`) }))
  }

  return { told, wrong, live, readRest }
}

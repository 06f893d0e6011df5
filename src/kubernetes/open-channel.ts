import { setTimeout as sleep } from 'node:timers/promises'
import { ApiException, type V1Pod } from '@kubernetes/client-node'
import { asProblem, Problem } from '#core/errors.ts'
import type { ContainerPlace } from '#core/ports/channel.ts'
import type { Api } from './api.ts'
import { NoHello, type RunnerChannel } from './channel.ts'
import { readPod } from './read-pod.ts'
import { lacksRunner, startState, withoutRunner } from './start-failure.ts'
import { toProblem } from './status-error.ts'
import { watchPod } from './watch-pod.ts'

export const serveCommand = ['/ephemera/runner', 'serve']
/** Runners live as long as their sessions, across upgrades: the service speaks all of these, and asks an older one for nothing newer. */
export const spokenProtocols = { oldest: 1, newest: 1 }

export interface OpeningTimes {
  everyMs: number
  eagerMs: number
  slowestMs: number
  /** An exec into a container that has just ended may hang instead of failing: by then the watch must tell. */
  watchAfterMs: number
  lookEveryMs: number
  /** An image may take its time to be pulled. */
  giveUpMs: number
  /** An API server that does not even answer. */
  unreachableMs: number
}
export const openingTimes: OpeningTimes = {
  everyMs: 50, eagerMs: 2000, slowestMs: 2000, watchAfterMs: 1000, lookEveryMs: 2000, giveUpMs: 120_000, unreachableMs: 15_000
}

/**
 * Tries until the runner says hello: every 50 ms for 2 s, then ever more slowly. Beside the tries a watch on the pod tells when the
 * container runs, or why it never will, which ends a try under way, too.
 */
export async function openEventually (
  api: Api, place: ContainerPlace, attempt: (signal: AbortSignal) => Promise<RunnerChannel>, signal: AbortSignal, times: OpeningTimes
): Promise<RunnerChannel> {
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  const since = performance.now()
  let answeredAt = since
  let delayMs = times.everyMs
  let verdict: Problem | null = null
  let isRunning = false
  let isWatched = false
  let wake = () => {}
  let looks: NodeJS.Timeout | undefined

  function decide (problem: Problem): void {
    verdict = problem
    done.abort(problem)
  }

  function seen (pod: V1Pod | null): void {
    const state = pod === null ? gone(place) : startState(pod, place)
    if (state === null || (state === 'running' && isRunning)) return
    if (state === 'running') isRunning = true
    else decide(state)
    wake()
  }

  function failed (error: unknown): void {
    // The tries go on without it and say the same of an API server that is gone; a missing right must be said.
    if (error instanceof Problem && error.code === 'EPH_ACCOUNT_FORBIDDEN') decide(error)
    wake()
  }

  function watch (): void {
    if (isWatched) return
    isWatched = true
    watchPod(api, place.namespace, place.pod, seen, failed, either)
    // An API server whose watch cache lags refuses watches, or is silent, for as long as that lasts; a read is answered past the cache.
    looks = setInterval(() => { readPod(api, place.namespace, place.pod, either).then(seen, failed) }, times.lookEveryMs)
  }

  const slow = setTimeout(watch, times.watchAfterMs)
  try {
    for (;;) {
      const failure = await attempt(either).then(checkProtocol(place), (error: unknown) => ({ error }))
      if (!('error' in failure)) return failure
      signal.throwIfAborted()
      if (verdict !== null) throw verdict
      const { final, passing, isAnswer } = judge(place, failure.error)
      if (final) throw final
      if (isAnswer) answeredAt = performance.now()
      else if (performance.now() - answeredAt > times.unreachableMs) throw passing
      const elapsed = performance.now() - since
      if (elapsed > times.giveUpMs) throw givenUp(place, passing, isRunning, times)
      watch()
      if (elapsed > times.eagerMs) delayMs = Math.min(delayMs * 1.5, times.slowestMs)
      const woken = Promise.withResolvers<void>()
      // Whoever was sent away is not woken either.
      const { retryAfterSeconds } = asProblem(passing)
      wake = retryAfterSeconds === null ? () => woken.resolve() : () => {}
      const pauseMs = Math.max(delayMs, (retryAfterSeconds ?? 0) * 1000)
      await Promise.race([sleep(pauseMs, undefined, { signal: either }).catch(() => {}), woken.promise])
      signal.throwIfAborted()
      if (verdict !== null) throw verdict
    }
  } finally {
    clearTimeout(slow)
    clearInterval(looks)
    done.abort()
  }
}

const gone = ({ namespace, pod }: ContainerPlace, cause?: unknown) =>
  new Problem('EPH_POD_GONE', `Cannot open a channel to "${namespace}/${pod}": the pod is gone`, { effect: 'none', cause })

const checkProtocol = ({ container }: ContainerPlace) => (channel: RunnerChannel): RunnerChannel => {
  const { protocol, version } = channel.hello
  const { oldest, newest } = spokenProtocols
  if (protocol >= oldest && protocol <= newest) return channel
  channel.close('another protocol')
  const advice = protocol > newest ? 'the image is of a newer version than the service' : 'the image is too old for the service'
  throw new Problem('EPH_IMAGE_WITHOUT_RUNNER', `Cannot use container "${container}": its runner ${version} speaks protocol ${protocol}, ` +
    `the service ${oldest === newest ? oldest : `${oldest} to ${newest}`}: ${advice}`)
}

interface Judgement {
  /** It will fail for good. */
  final: Error | null
  /** As it fails while a container is being started. */
  passing: Error
  /** Somebody did answer. */
  isAnswer: boolean
}

function judge (place: ContainerPlace, error: unknown): Judgement {
  const doing = `open a channel to "${place.namespace}/${place.pod}"`
  if (error instanceof NoHello) {
    return { final: lacksRunner(error.message) ? withoutRunner(place.container, error.message) : null, passing: error, isAnswer: true }
  }
  const problem = toProblem(doing, error)
  if (!(error instanceof ApiException)) {
    const isFinal = error instanceof Problem || !(problem instanceof Problem) || isUntrusted(error)
    return { final: isFinal ? problem : null, passing: problem, isAnswer: false }
  }
  const words = String(error.body)
  if (error.code === 404 && !/container/.test(words)) return { final: gone(place, error), passing: problem, isAnswer: true }
  const isFinal = problem instanceof Problem && ['EPH_ACCOUNT_FORBIDDEN', 'EPH_ADMISSION_DENIED'].includes(problem.code)
  return { final: isFinal ? problem : null, passing: problem, isAnswer: true }
}

/** Whether the API server's certificate is not the expected one: no later try will change that. */
const isUntrusted = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(String(error.code))

function givenUp (place: ContainerPlace, passing: Error, isRunning: boolean, { giveUpMs }: OpeningTimes): Problem {
  const why = `no channel after ${giveUpMs / 1000} s (${passing.message.slice(0, 500)})`
  return new Problem(isRunning ? 'EPH_CHANNEL_LOST' : 'EPH_CONTAINER_NOT_STARTED', `Cannot use container "${place.container}": ${why}`, { cause: passing })
}

import type { StreamCheck } from '#core/probe.ts'

/** A parser that fails on what it reads must not end the stream: the bytes are the evidence, and are kept. */
export function tolerant (check: StreamCheck, onFailure: (error: unknown) => void): StreamCheck {
  let hasFailed = false
  function attempt<T> (step: () => T): T | undefined {
    if (hasFailed) return undefined
    try {
      return step()
    } catch (error) {
      hasFailed = true
      onFailure(error)
      return undefined
    }
  }
  return {
    push (chunk) { attempt(() => check.push(chunk)) },
    end (stderr) {
      const wrong = attempt(() => check.end(stderr))
      return wrong === undefined ? 'its parser failed on it' : wrong
    }
  }
}

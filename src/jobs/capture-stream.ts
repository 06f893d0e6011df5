import { setTimeout as delay } from 'node:timers/promises'
import { asProblem } from '#core/errors.ts'
import type { EndCause } from '#core/outcome.ts'
import { outcomes } from '#core/outcome.ts'
import type { RunEnd } from '#core/ports/channel.ts'
import type { CaptureOptions } from '#core/probe.ts'
import { v7 as uuidv7 } from 'uuid'
import { describeText, openWriter } from './collect-output.ts'
import type { Measurement } from './measurement.ts'
import { persist } from './persist.ts'
import type { OpenedRun, Sinks } from './run-tool.ts'
import { createSegmentWriter } from './segment-writer.ts'
import { tolerant } from './tolerant.ts'

const stallCheckMs = 250
/** A tool that never says that it listens is asked to end after this time all the same. */
const listeningPatienceMs = 3000

/** A stream on its way into an artifact: the artifact exists from the start and can be followed while it grows. */
export function captureStream (measurement: Measurement, options: CaptureOptions) {
  const { database: { artifacts }, bucket, claim, policy, orders, budget, note, log } = measurement
  const { kind, contentType, maxBytes, drainSeconds, listening } = options
  const artifactId = uuidv7()
  const check = tolerant(options.check, error => { log.error({ artifactId, err: error }, 'A parser failed on a stream') })
  const window = budget.openWindow()
  const opened = Promise.withResolvers<void>()
  opened.promise.catch(() => {}) // met by close, also where no segment waits for it
  const writer = createSegmentWriter({
    bucket,
    artifacts,
    artifactId,
    opened: opened.promise,
    budget,
    onTrouble (error) {
      trouble = `: ${asProblem(error).message}`
      log.warn({ artifactId, err: error }, 'Cannot store a segment; it is tried until that works or takes too long')
    }
  })
  let receivedBytes = 0
  let reachedMaxBytes = false
  let stalled = false
  let trouble = ''
  let stderrText = ''

  function open (run: OpenedRun): Sinks {
    const { id: runId, row, stop } = run
    const created = row.then(() => persist(() => artifacts.create({ id: artifactId, runId, jobId: claim.jobId, kind, contentType })))
    created.catch(() => {}) // met by close
    opened.resolve(created)
    const stderr = openWriter(measurement, run, 'stderr')
    const heard = Promise.withResolvers<void>()
    const ready = Promise.race([heard.promise, delay(listeningPatienceMs, undefined, { ref: false })])
    let isListening = false
    // Who cancels waits for the tool, not for a store that takes nothing.
    orders.givenUp.addEventListener('abort', writer.abandon)
    const watch = setInterval(() => {
      if (stalled || writer.stalledMs() <= policy.stallSeconds * 1000) return
      stalled = true
      writer.abandon()
      stop('cancelled', 0)
    }, stallCheckMs)

    return {
      provesStdout: true, // by settle
      async readyToEnd () {
        await ready
        await delay(drainSeconds * 1000)
      },
      stdout (chunk) {
        receivedBytes += chunk.length
        check.push(chunk)
        if (!reachedMaxBytes && receivedBytes >= maxBytes) {
          reachedMaxBytes = true
          stop('finished')
        }
        return writer.write(chunk)
      },
      stderr (chunk) {
        stderr.write(chunk)
        stderrText += chunk.toString('utf8')
        if (isListening || !listening.test(stderrText)) return
        isListening = true
        heard.resolve()
        note('run', { runId, phase: 'listening' })
      },
      async close (end, cause) {
        try {
          if (orders.givenUp.aborted) writer.abandon()
          await created
          const [rest, last] = await Promise.allSettled([writer.end(), stderr.end()])
          const settled = settle(end, cause, rest.status === 'fulfilled')
          const { sizeBytes, sha256 } = writer.stored()
          await persist(() => artifacts.seal(artifactId, sizeBytes, sha256, outcomes[settled.cause].completeness))
          if (last.status === 'rejected') throw last.reason
          const stdout = { name: 'stdout' as const, receivedBytes, sha256: end?.stdout.sha256 ?? sha256, storedBytes: sizeBytes, redactions: 0 }
          return { ...settled, last: last.value, streams: [stdout, describeText('stderr', stderr, end)] }
        } finally {
          orders.givenUp.removeEventListener('abort', writer.abandon)
          clearInterval(watch)
          writer.abandon()
          window.close()
        }
      }
    }
  }

  /** What arrived but was not stored, or is not whole by its own measure, is never complete. */
  function settle (end: RunEnd | null, cause: EndCause, everythingStored: boolean): { cause: EndCause, because?: string } {
    if (stalled) return { cause: 'stalled', because: `the store took no bytes for ${policy.stallSeconds} s${trouble}` }
    if (outcomes[cause].completeness.state === 'truncated') return { cause }
    if (!everythingStored && orders.cause) return { cause: orders.cause }
    const { sizeBytes, sha256 } = writer.stored()
    if (!everythingStored || sizeBytes !== end?.stdout.bytes || sha256 !== end.stdout.sha256) {
      return { cause: 'unproven', because: 'what is stored does not equal what was sent' }
    }
    const wrong = check.end(stderrText)
    return wrong === null ? { cause } : { cause: 'unproven', because: wrong }
  }

  return {
    windowBytes: window.bytes,
    open,
    /** For a stream that was never opened. */
    discard: window.close,
    result: () => ({ stderr: stderrText, artifactId, ...writer.stored(), reachedMaxBytes })
  }
}

import type { EndCause } from '#core/outcome.ts'
import { outcomes } from '#core/outcome.ts'
import type { ChannelRun, RunEnd } from '#core/ports/channel.ts'
import type { CaptureOptions } from '#core/probe.ts'
import { v7 as uuidv7 } from 'uuid'
import { describeText, openWriter } from './collect-output.ts'
import type { Measurement } from './measurement.ts'
import type { Sinks } from './run-tool.ts'
import { createSegmentWriter } from './segment-writer.ts'

const stallCheckMs = 250
/** How long a cancelled run still waits for the store. */
const lastStoreMs = 300

/** A stream on its way into an artifact: the artifact exists from the start and can be followed while it grows. */
export function captureStream (measurement: Measurement, options: CaptureOptions) {
  const { database, bucket, claim, policy, orders, budget, note, log } = measurement
  const { kind, contentType, maxBytes, listening, check } = options
  const artifactId = uuidv7()
  const writer = createSegmentWriter({
    bucket,
    artifacts: database.artifacts,
    artifactId,
    budget,
    onTrouble: error => { log.warn({ artifactId, err: error }, 'Cannot store a segment; trying again') }
  })
  let receivedBytes = 0
  let reachedMaxBytes = false
  let stalled = false
  let stderrText = ''

  function open ({ id: runId, stop }: { id: string, stop: ChannelRun['stop'] }): Sinks {
    const created = database.artifacts.create({ id: artifactId, runId, jobId: claim.jobId, kind, contentType })
    created.then(() => { note('artifact', { artifactId, runId, kind }) }, () => {})
    const stderr = openWriter(measurement, runId, 'stderr')
    let heard = false
    const watch = setInterval(() => {
      if (stalled || writer.stalledMs() <= policy.stallSeconds * 1000) return
      stalled = true
      writer.abandon()
      stop('cancelled', 0)
    }, stallCheckMs)

    return {
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
        if (heard || !listening.test(stderrText)) return
        heard = true
        note('run', { runId, phase: 'listening' })
      },
      async close (end, cause) {
        await created
        if (orders.cause === 'cancelled') setTimeout(() => { writer.abandon() }, lastStoreMs).unref()
        const [rest] = await Promise.allSettled([writer.end(), stderr.end()])
        clearInterval(watch)
        const settled = settle(end, cause, rest.status === 'fulfilled')
        const { sizeBytes, sha256 } = writer.stored()
        await database.artifacts.seal(artifactId, sizeBytes, sha256, outcomes[settled.cause].completeness)
        const stdout = { name: 'stdout' as const, receivedBytes, sha256: end?.stdout.sha256 ?? sha256, storedBytes: sizeBytes, redactions: 0 }
        return { ...settled, streams: [stdout, describeText('stderr', stderr, end)] }
      }
    }
  }

  /** What arrived but was not stored, or is not whole by its own measure, is never complete. */
  function settle (end: RunEnd | null, cause: EndCause, everythingStored: boolean): { cause: EndCause, because?: string } {
    if (stalled) return { cause: 'stalled' }
    if (outcomes[cause].completeness.state === 'truncated') return { cause }
    if (!everythingStored || writer.stored().sizeBytes !== end?.stdout.bytes || writer.stored().sha256 !== end.stdout.sha256) {
      return { cause: 'unproven', because: 'what is stored does not equal what was sent' }
    }
    const wrong = check.end(stderrText)
    return wrong === null ? { cause } : { cause: 'unproven', because: wrong }
  }

  return {
    open,
    result: () => ({ stderr: stderrText, artifactId, ...writer.stored(), reachedMaxBytes })
  }
}
